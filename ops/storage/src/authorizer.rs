//! What the application's SQL may do: the lists of allowed functions, pragmas
//! and virtual tables, and the tables that are ours.
//!
//! SQLite asks while it compiles a statement. Our own statements are compiled
//! through the same connection, so [`Authority`] knows who is speaking; the
//! application is, unless a statement of ours is being compiled or stepped
//! (SQLite compiles again inside a step when the schema has changed).
//!
//! The lists are workerd's; <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/>
//! documents most of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Tables and indexes whose names start with this are ours.
const RESERVED_PREFIX: &str = "_cf_";

/// What a statement that tries to control transactions is answered with.
pub(crate) const TRANSACTION_TEXT: &str = "To execute a transaction, please use the state.storage.transaction() or \
     state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. The JavaScript \
     API is safer because it will automatically roll back on exceptions, and because it interacts correctly with \
     Durable Objects' automatic atomic write coalescing.";

/// Who is speaking to a connection, and what the authorizer noticed.
///
/// Atomics only because rusqlite wants hooks that could move to another
/// thread; all of it happens on the connection's own thread.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    trusted: AtomicBool,
    transaction_denied: AtomicBool,
    altered: AtomicBool,
    schema_changed: AtomicBool,
}

impl Authority {
    /// Installs the authorizer on `connection`.
    pub(crate) fn install(connection: &mut Connection) -> rusqlite::Result<Arc<Authority>> {
        let authority = Arc::new(Authority::default());
        let asked = Arc::clone(&authority);
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            asked.authorize(context)
        }))?;
        Ok(authority)
    }

    /// Runs `body` while our own statements are compiled or stepped.
    pub(crate) fn trusting<T>(&self, body: impl FnOnce() -> T) -> T {
        self.trusted.store(true, Relaxed);
        let result = body();
        self.trusted.store(false, Relaxed);
        result
    }

    /// Forgets what earlier statements did.
    pub(crate) fn clear(&self) {
        self.transaction_denied.store(false, Relaxed);
        self.altered.store(false, Relaxed);
        self.schema_changed.store(false, Relaxed);
    }

    /// Whether the last statement tried to control transactions.
    pub(crate) fn transaction_denied(&self) -> bool {
        self.transaction_denied.load(Relaxed)
    }

    /// Whether the last statement is an ALTER TABLE. SQLite does not tell the
    /// authorizer a table's new name, so a rename is checked after it ran.
    pub(crate) fn altered(&self) -> bool {
        self.altered.load(Relaxed)
    }

    /// Whether the last statement creates, drops or alters something.
    pub(crate) fn schema_changed(&self) -> bool {
        self.schema_changed.load(Relaxed)
    }

    fn authorize(&self, context: AuthContext<'_>) -> Authorization {
        use AuthAction::*;
        if self.trusted.load(Relaxed) {
            return Authorization::Allow;
        }
        match context.action {
            Transaction { .. } | Savepoint { .. } => self.transaction_denied.store(true, Relaxed),
            AlterTable { .. } => {
                self.altered.store(true, Relaxed);
                self.schema_changed.store(true, Relaxed);
            }
            CreateTable { .. }
            | CreateIndex { .. }
            | CreateTrigger { .. }
            | CreateView { .. }
            | CreateVtable { .. }
            | DropTable { .. }
            | DropIndex { .. }
            | DropTrigger { .. }
            | DropView { .. }
            | DropVtable { .. } => self.schema_changed.store(true, Relaxed),
            _ => (),
        }
        if allows(context) {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    }
}

/// Whether the application's SQL may do this.
fn allows(context: AuthContext<'_>) -> bool {
    use AuthAction::*;
    let main = match context.database_name {
        None | Some("main") => true,
        // SQLite itself looks at the temporary schema while it renames.
        Some("temp") => return matches!(context.action, Read { .. } | Update { .. }),
        Some(_) => false,
    };
    if !main {
        return false;
    }
    match context.action {
        Select | Recursive => true,
        Read { table_name, .. } | Update { table_name, .. } => !is_reserved(table_name),
        Insert { table_name } | Delete { table_name } | Analyze { table_name } => {
            !is_reserved(table_name)
        }
        CreateTable { table_name } | DropTable { table_name } => !is_reserved(table_name),
        CreateIndex {
            index_name,
            table_name,
        }
        | DropIndex {
            index_name,
            table_name,
        } => !is_reserved(index_name) && !is_reserved(table_name),
        CreateTrigger {
            trigger_name,
            table_name,
        }
        | DropTrigger {
            trigger_name,
            table_name,
        } => !is_reserved(trigger_name) && !is_reserved(table_name),
        CreateView { view_name } | DropView { view_name } => !is_reserved(view_name),
        AlterTable {
            database_name,
            table_name,
        } => database_name == "main" && !is_reserved(table_name),
        Reindex { index_name } => !is_reserved(index_name),
        CreateVtable {
            table_name,
            module_name,
        }
        | DropVtable {
            table_name,
            module_name,
        } => !is_reserved(table_name) && contains(MODULES, module_name),
        Function { function_name } => contains(FUNCTIONS, function_name),
        Pragma {
            pragma_name,
            pragma_value,
        } => allows_pragma(pragma_name, pragma_value),
        _ => false,
    }
}

/// Whether a name belongs to us, in any case.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.get(..RESERVED_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX))
}

/// Whether a sorted list holds a name, in any case.
fn contains(sorted: &[&str], name: &str) -> bool {
    sorted
        .binary_search(&name.to_ascii_lowercase().as_str())
        .is_ok()
}

/// What a pragma's argument may be.
enum Argument {
    Any,
    None,
    OptionalBoolean,
    OptionalName,
    OptionalNameOrNumber,
    OptionalNumber,
    Name,
}

fn allows_pragma(name: &str, value: Option<&str>) -> bool {
    let argument = match name.to_ascii_lowercase().as_str() {
        "table_list" => Argument::Any,
        "data_version" | "page_size" => Argument::None,
        "case_sensitive_like"
        | "defer_foreign_keys"
        | "foreign_keys"
        | "ignore_check_constraints"
        | "legacy_alter_table"
        | "recursive_triggers"
        | "reverse_unordered_selects" => Argument::OptionalBoolean,
        "foreign_key_check" => Argument::OptionalName,
        "quick_check" => Argument::OptionalNameOrNumber,
        "optimize" => Argument::OptionalNumber,
        "foreign_key_list" | "index_info" | "index_list" | "index_xinfo" | "table_info"
        | "table_xinfo" => Argument::Name,
        _ => return false,
    };
    match (argument, value) {
        (Argument::Any, _) => true,
        (Argument::Name, None) => false,
        (_, None) => true,
        (Argument::None, Some(_)) => false,
        (Argument::OptionalBoolean, Some(value)) => is_boolean(value),
        (Argument::OptionalNumber, Some(value)) => is_number(value),
        (Argument::OptionalName | Argument::Name | Argument::OptionalNameOrNumber, Some(value)) => {
            !is_reserved(value)
        }
    }
}

fn is_boolean(value: &str) -> bool {
    ["true", "false", "yes", "no", "on", "off", "1", "0"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix("0x").unwrap_or(value);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The virtual table modules an application may use, sorted.
pub(crate) const MODULES: &[&str] = &["fts5", "fts5vocab", "rtree", "rtree_i32"];

/// The SQL functions an application may call, sorted. `load_extension` is
/// among them as on the platform: calling it fails because it is off.
#[rustfmt::skip]
const FUNCTIONS: &[&str] = &[
    "->", "->>", "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bm25", "ceil", "changes",
    "char", "coalesce", "concat", "concat_ws", "cos", "cosh", "count", "cume_dist", "current_date", "current_time",
    "current_timestamp", "date", "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format", "glob",
    "group_concat", "hex", "highlight", "ifnull", "iif", "instr", "json", "json_array", "json_array_length",
    "json_each", "json_extract", "json_group_array", "json_group_object", "json_insert", "json_object", "json_patch",
    "json_quote", "json_remove", "json_replace", "json_set", "json_tree", "json_type", "json_valid", "jsonb",
    "jsonb_array", "jsonb_extract", "jsonb_group_array", "jsonb_group_object", "jsonb_insert", "jsonb_object",
    "jsonb_patch", "jsonb_remove", "jsonb_replace", "jsonb_set", "julianday", "lag", "last_insert_rowid",
    "last_value", "lead", "length", "like", "likelihood", "likely", "ln", "load_extension", "log", "log2", "lower",
    "ltrim", "match", "max", "min", "mod", "nth_value", "ntile", "nullif", "octet_length", "percent_rank", "pi", "pow",
    "printf", "quote", "radians", "random", "randomblob", "rank", "replace", "round", "row_number", "rtreecheck",
    "rtrim", "sign", "sin", "sinh", "snippet", "soundex", "sqlite_drop_column", "sqlite_rename_column",
    "sqlite_rename_quotefix", "sqlite_rename_table", "sqlite_rename_test", "sqrt", "strftime", "string_agg", "substr",
    "substring", "sum", "tan", "tanh", "time", "timediff", "total", "total_changes", "trim", "trunc", "typeof",
    "unhex", "unicode", "unixepoch", "unlikely", "upper", "zeroblob",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!(FUNCTIONS.is_sorted());
        assert!(MODULES.is_sorted());
    }

    #[test]
    fn reserved_names_are_ours_in_any_case() {
        for name in ["_cf_KV", "_CF_x", "_cf_"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["cf_KV", "_cf", "x_cf_", "", "_cé_"] {
            assert!(!is_reserved(name), "{name}");
        }
    }

    #[test]
    fn pragmas_take_only_their_own_arguments() {
        assert!(allows_pragma("TABLE_INFO", Some("t")));
        assert!(!allows_pragma("table_info", None));
        assert!(!allows_pragma("table_info", Some("_cf_KV")));
        assert!(allows_pragma("foreign_keys", Some("OFF")));
        assert!(!allows_pragma("foreign_keys", Some("maybe")));
        assert!(!allows_pragma("page_size", Some("8192")));
        assert!(!allows_pragma("journal_mode", None));
    }
}
