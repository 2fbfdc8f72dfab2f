//! Compatibility dates and flags: which of the platform's old and new behaviours a
//! worker was written for.
//! <https://developers.cloudflare.com/workers/configuration/compatibility-dates/>

mod flags;

use std::collections::BTreeMap;
use std::fmt;

use flags::FLAGS;
use flags::Flag;
use flags::NODE_SINCE;

/// The newest date whose behaviour is known; also what a worker gets that names none.
pub const NEWEST_DATE: &str = "2026-11-17";

/// Flags that Stead honours in both settings.
const HONOURED: &[&str] = &[
    "allow_eval_during_startup",
    "allow_insecure_inefficient_logged_eval",
    "blob_standard_mime_type",
    "brotli_content_encoding",
    "crypto_preserve_public_exponent",
    "delete_all_deletes_alarm",
    "diagnostics_channel_has_subscribers_getter",
    "disallow_importable_env",
    "durable_object_fetch_requires_full_url",
    "enable_ctx_exports",
    "enable_global_performance_classes",
    "enable_navigator_language",
    "enable_nodejs_global_timers",
    "enable_request_signal",
    "enable_weak_ref",
    "encoder_stream_spec_compliant_backpressure",
    "enhanced_error_serialization",
    "expose_global_message_channel",
    "fetch_iterable_type_support",
    "fetch_iterable_type_support_override_adjustment",
    "fetcher_no_get_put_delete",
    "fixup-transform-stream-backpressure",
    "formdata_parser_supports_files",
    "global_navigator",
    "http_headers_getsetcookie",
    "internal_stream_byob_return_view",
    "no_global_importscripts",
    "nodejs_als",
    "nodejs_compat",
    "nodejs_compat_populate_process_env",
    "nodejs_compat_v2",
    "pipe_to_backward_propagation",
    "response_redirect_url_standard",
    "rpc",
    "rpc_params_dup_stubs",
    "service_binding_extra_handlers",
    "set_event_target_this",
    "set_tostring_tag",
    "spec_compliant_dispatch_exceptions",
    "strict_compression_checks",
    "strict_crypto_checks",
    "strip_authorization_on_cross_origin_redirect",
    "strip_bom_in_read_all_text",
    "temporal",
    "unwrap_custom_thenables",
    "upper_case_all_http_methods",
    "urlsearchparams_delete_has_value_arg",
    "web_socket_auto_reply_to_close",
    "websocket_close_reason_byte_limit",
    "websocket_standard_binary_type",
    "writable_stream_spec_compliant_writer",
];

/// Beginnings of the names of flags that concern what Stead does not have, or what makes no difference on
/// one machine: nothing is there that they could change.
const ELSEWHERE: &[&str] = &[
    "assets_",
    "auto_grpc",
    "cache_",
    "containers_",
    "cots_",
    "d1_",
    "disable_python",
    "durable_object_alarms",
    "dynamic_dispatch_",
    "enable_d1",
    "enable_email",
    "enable_fast_jsg_struct",
    "enable_forwardable",
    // A module that the date does not bring is there all the same, as with wrangler, which brings one of its own.
    "enable_nodejs_",
    "enable_python",
    "enable_validate_workflow",
    "global_fetch_strictly_public",
    "html_rewriter_",
    "kv_",
    "memory_cache",
    "minimal_subrequests",
    "nodejs_zlib",
    "no_cache_api",
    "no_cf_botmanagement",
    "no_cots",
    "no_request_cf",
    "precise_timers",
    "python_",
    "queue",
    "r2_",
    "remove_nodejs_compat_eol",
    "request_cf",
    "rtti_api",
    "set_forwardable",
    "streaming_tail",
    "tail_worker",
    "tcp_sockets_support",
    "throw_on_not_implemented_tls_options",
    "typescript_strip_types",
    "vectorize_",
    "web_socket_compression",
    "webgpu",
    "workflows_",
    // Modules are put into one bundle before they run, as wrangler does.
    "disable_top_level_await_in_require",
    "export_commonjs_default",
    "new_module_registry",
    "require_returns_default_export",
    "throw_on_unrecognized_import_assertion",
    // When an idle object leaves memory is no promise: it may stay longer.
    "durable_object_io_tasks_prevent_eviction",
];

/// What a worker was written for.
#[derive(Clone, Debug)]
pub struct Compatibility {
    date: String,
    flags: BTreeMap<String, bool>,
}

/// Why a date and flags cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompatibilityError {
    /// Not a date of the form `2026-11-17`.
    Date(String),
    /// A date after [`NEWEST_DATE`].
    Future(String),
    /// No flag of the platform; and the known one whose name is nearest.
    Unknown(String, String),
    /// The flag is turned on and off.
    Contradiction(String),
    /// The setting is not there yet.
    NotYet(String),
}

impl fmt::Display for CompatibilityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompatibilityError::Date(date) => {
                write!(
                    f,
                    "`{date}` is not a compatibility date: write one like {NEWEST_DATE}"
                )
            }
            CompatibilityError::Future(date) => write!(
                f,
                "compatibility date {date} is later than the newest that this Stead knows, which is {NEWEST_DATE}"
            ),
            CompatibilityError::Unknown(flag, nearest) => {
                write!(
                    f,
                    "no such compatibility flag: {flag} (did you mean {nearest}?)"
                )
            }
            CompatibilityError::Contradiction(flag) => {
                write!(f, "compatibility flag {flag} is turned on and off")
            }
            CompatibilityError::NotYet(flag) => {
                write!(
                    f,
                    "compatibility flag {flag} is not implemented in Stead yet"
                )
            }
        }
    }
}

impl Default for Compatibility {
    /// The newest behaviour.
    fn default() -> Compatibility {
        Compatibility::new(NEWEST_DATE, &[]).expect("the newest date is known")
    }
}

impl Compatibility {
    /// What a worker of that date, with those flags, was written for.
    ///
    /// # Errors
    /// Something of it is unknown, or not there yet.
    pub fn new(date: &str, names: &[String]) -> Result<Compatibility, CompatibilityError> {
        let (compatibility, missing) = Compatibility::of_project(Some(date), names)?;
        match missing.into_iter().next() {
            Some(name) => Err(CompatibilityError::NotYet(name)),
            None => Ok(compatibility),
        }
    }

    /// The same for a project's configuration, which may name what is not there yet: the
    /// names of those come back too, for the person at the terminal.
    ///
    /// # Errors
    /// Something of it is unknown.
    pub fn of_project(
        date: Option<&str>,
        names: &[String],
    ) -> Result<(Compatibility, Vec<String>), CompatibilityError> {
        let date = date.unwrap_or(NEWEST_DATE);
        let mut missing = Vec::new();
        if !is_date(date) {
            return Err(CompatibilityError::Date(date.to_owned()));
        }
        if date > NEWEST_DATE {
            return Err(CompatibilityError::Future(date.to_owned()));
        }
        let mut named: BTreeMap<&str, bool> = BTreeMap::new();
        for name in names {
            let (flag, on) = find(name)?;
            if named
                .insert(flag.name, on)
                .is_some_and(|before| before != on)
            {
                return Err(CompatibilityError::Contradiction(flag.name.to_owned()));
            }
            if !is_there(flag, on) {
                missing.push(name.clone());
                named.remove(flag.name);
            }
        }
        let mut flags = BTreeMap::new();
        let node = named.get("nodejs_compat").copied();
        let node = node.unwrap_or(NODE_SINCE <= date);
        for flag in FLAGS {
            let on = named.get(flag.name).copied();
            flags.insert(flag.name.to_owned(), on.unwrap_or(is_due(flag, date, node)));
        }
        let compatibility = Compatibility {
            date: date.to_owned(),
            flags,
        };
        Ok((compatibility, missing))
    }

    /// The date.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// Whether a flag is on.
    ///
    /// # Panics
    /// When there is no such flag.
    pub fn is_on(&self, name: &str) -> bool {
        self.flags[name]
    }

    /// Every flag: `Cloudflare.compatibilityFlags`.
    pub fn flags(&self) -> &BTreeMap<String, bool> {
        &self.flags
    }

    /// The flags whose setting follows from the date and is not the one that Stead has.
    pub fn deviations(&self) -> Vec<&'static str> {
        let differs = |flag: &&Flag| !is_there(flag, self.flags[flag.name]);
        FLAGS.iter().filter(differs).map(|flag| flag.name).collect()
    }
}

/// Whether a flag follows from the date, and from whether `nodejs_compat` is on.
fn is_due(flag: &Flag, date: &str, node: bool) -> bool {
    let from = |since: &str| !since.is_empty() && since <= date;
    if flag.since_with_node.is_empty() {
        return from(flag.since);
    }
    node && from(flag.since_with_node)
}

/// Whether Stead has that setting of a flag.
fn is_there(flag: &Flag, on: bool) -> bool {
    HONOURED.contains(&flag.name)
        || ELSEWHERE.iter().any(|start| flag.name.starts_with(start))
        || on == is_due(flag, NEWEST_DATE, true)
}

/// The flag of a name, and whether the name turns it on.
fn find(name: &str) -> Result<(&'static Flag, bool), CompatibilityError> {
    let found = FLAGS.iter().find_map(|flag| {
        if flag.name == name {
            Some((flag, true))
        } else {
            (flag.off == name).then_some((flag, false))
        }
    });
    found.ok_or_else(|| CompatibilityError::Unknown(name.to_owned(), nearest(name)))
}

/// The known name that shares most pairs of letters with `name`.
fn nearest(name: &str) -> String {
    let pairs = |text: &str| -> Vec<[u8; 2]> {
        let windows = text.as_bytes().windows(2);
        windows.map(|pair| [pair[0], pair[1]]).collect()
    };
    let wanted = pairs(name);
    let score = |known: &&str| {
        let known = pairs(known);
        let shared = wanted.iter().filter(|pair| known.contains(pair)).count();
        // In thousandths of what both have together.
        2000 * shared / (wanted.len() + known.len()).max(1)
    };
    let names = FLAGS.iter().flat_map(|flag| [flag.name, flag.off]);
    names.max_by_key(score).unwrap_or_default().to_owned()
}

/// Whether a text has the form of a date, and could be one.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |text: &str, digits: usize| {
        let all_digits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
        all_digits.then(|| text.parse::<u32>().unwrap_or(0))
    };
    let [year, month, day] = parts[..] else {
        return false;
    };
    number(year, 4).is_some()
        && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
        && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compatibility(date: &str, names: &[&str]) -> Result<Compatibility, CompatibilityError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Compatibility::new(date, &names)
    }

    #[track_caller]
    fn check_refused(date: &str, names: &[&str], text: &str) {
        assert_eq!(compatibility(date, names).unwrap_err().to_string(), text);
    }

    #[test]
    fn a_flag_is_on_from_its_date_unless_its_opposite_is_named() {
        let on = |date, names: &[&str]| {
            compatibility(date, names)
                .unwrap()
                .is_on("delete_all_deletes_alarm")
        };
        assert!(!on("2026-02-23", &[]));
        assert!(on("2026-02-24", &[]));
        assert!(on("2026-02-23", &["delete_all_deletes_alarm"]));
        assert!(!on("2026-11-17", &["delete_all_preserves_alarm"]));
    }

    #[test]
    fn what_is_unknown_or_not_there_is_refused_by_name() {
        check_refused(
            "2027-01-01",
            &[],
            "compatibility date 2027-01-01 is later than the newest that this Stead knows, which is 2026-11-17",
        );
        check_refused(
            "yesterday",
            &[],
            "`yesterday` is not a compatibility date: write one like 2026-11-17",
        );
        check_refused(
            NEWEST_DATE,
            &["delete_all_deletes_alarms"],
            "no such compatibility flag: delete_all_deletes_alarms (did you mean delete_all_deletes_alarm?)",
        );
        check_refused(
            NEWEST_DATE,
            &["nodejs_zlib_old"],
            "no such compatibility flag: nodejs_zlib_old (did you mean nodejs_zlib?)",
        );
        check_refused(
            NEWEST_DATE,
            &["global_navigator", "no_global_navigator"],
            "compatibility flag global_navigator is turned on and off",
        );
    }

    #[test]
    fn what_concerns_products_that_are_not_here_is_accepted() {
        assert!(
            compatibility(
                NEWEST_DATE,
                &["python_workers", "r2_internal_beta_bindings"]
            )
            .is_ok()
        );
    }

    #[test]
    fn a_flag_may_be_named_in_the_setting_it_has_anyway() {
        assert!(compatibility(NEWEST_DATE, &["streams_enable_constructors"]).is_ok());
        assert!(compatibility(NEWEST_DATE, &["streams_disable_constructors"]).is_err());
    }

    #[test]
    fn an_old_date_says_what_it_does_not_bring_back() {
        assert!(Compatibility::default().deviations().is_empty());
        let old = compatibility("2024-01-01", &[]).unwrap();
        assert_ne!(
            old.deviations().contains(&"url_standard"),
            old.is_on("url_standard")
        );
        assert!(
            old.deviations()
                .contains(&"handle_cross_request_promise_resolution")
        );
        assert!(!old.deviations().contains(&"delete_all_deletes_alarm"));
    }

    #[test]
    fn every_name_means_one_thing() {
        let mut names: Vec<&str> = FLAGS
            .iter()
            .flat_map(|flag| [flag.name, flag.off])
            .filter(|name| !name.is_empty())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for name in HONOURED {
            assert!(find(name).is_ok_and(|(_, on)| on), "{name}");
        }
    }
}
