//! The one ordered list of extensions, and the extension that holds Stead's JavaScript.

use std::sync::Arc;
use std::sync::OnceLock;

use deno_core::Extension;
use deno_error::JsErrorBox;
use deno_tls::RootCertStoreProvider;
use deno_tls::rustls::RootCertStore;
use deno_web::BlobStore;
use deno_web::InMemoryBroadcastChannel;

use crate::activity::stead_activity;
use crate::alarm::stead_alarm;
use crate::assets::stead_assets;
use crate::attachment::stead_attachment;
use crate::bookmark::stead_bookmark;
use crate::cache::stead_cache;
use crate::callee::stead_callee;
use crate::clone::stead_clone;
use crate::console::stead_console;
use crate::digest::stead_digest;
use crate::event::stead_event;
use crate::event_abort::stead_event_abort;
use crate::exception::stead_exception;
use crate::facet::stead_facet;
use crate::feed::stead_feed;
use crate::gate::stead_gate;
use crate::html::stead_html;
use crate::kv::stead_kv;
use crate::object_socket::stead_object_socket;
use crate::sql::stead_sql;
use crate::stub::stead_stub;
use crate::tcp::stead_tcp;
use crate::testing::stead_testing;
use crate::time::stead_time;
use crate::transaction::stead_transaction;
use crate::turn::stead_turn;
use crate::websocket::stead_websocket;

deno_core::extension!(
    stead,
    deps = [
        deno_webidl,
        deno_web,
        deno_crypto,
        deno_fetch,
        stead_activity,
        stead_console,
        stead_digest,
        stead_exception,
        stead_clone,
        stead_sql,
        stead_kv,
        stead_transaction,
        stead_alarm,
        stead_bookmark,
        stead_feed,
        stead_gate,
        stead_attachment,
        stead_stub,
        stead_tcp,
        stead_callee,
        stead_event,
        stead_event_abort,
        stead_time,
        stead_testing,
        stead_websocket,
        stead_object_socket,
        stead_turn,
        stead_assets,
        stead_facet,
        stead_cache,
        stead_html,
        stead_node
    ],
    esm_entry_point = "ext:stead/bootstrap.js",
    esm = [
        dir "../js",
        "body.js",
        "body_text.js",
        "cache.js",
        "cache_policy.js",
        "bootstrap.js",
        "abort.js",
        "arguments.js",
        "async_hooks.js",
        "attributes.js",
        "beacon.js",
        "bindings.js",
        "client_gone.js",
        "clone.js",
        "compatibility.js",
        "cloning.js",
        "console.js",
        "content_encoding.js",
        "context.js",
        "critical_section.js",
        "crypto.js",
        "crypto_refusals.js",
        "crypto_rsa.js",
        "dispatch.js",
        "entrypoint.js",
        "environment.js",
        "errors.js",
        "event_abort.js",
        "event_classes.js",
        "event_loop.js",
        "event_source.js",
        "events.js",
        "exceptions.js",
        "execution_context.js",
        "exported.js",
        "facets.js",
        "fast_ops.js",
        "front_door.js",
        "global_scope.js",
        "globals.js",
        "handlers.js",
        "header_text.js",
        "html_rewriter.js",
        "http.js",
        "http_checks.js",
        "kv.js",
        "listeners.js",
        "loopback.js",
        "message.js",
        "namespace.js",
        "navigator.js",
        "network_errors.js",
        "node.js",
        "object_state.js",
        "proxies.js",
        "reading.js",
        "older.js",
        "older_streams.js",
        "receiver.js",
        "record.js",
        "request.js",
        "response_statics.js",
        "redirects.js",
        "response_watch.js",
        "rpc.js",
        "rpc_promise.js",
        "rpc_stub.js",
        "scheduler.js",
        "scope.js",
        "service_stub.js",
        "service_worker.js",
        "shape.js",
        "sql.js",
        "stand_in.js",
        "stored_http.js",
        "storage.js",
        "streams.js",
        "tasks.js",
        "thenables.js",
        "connect.js",
        "passed_streams.js",
        "socket_passing.js",
        "tcp.js",
        "tcp_address.js",
        "test_clock.js",
        "test_fetch_mock.js",
        "test_queue.js",
        "test_library.js",
        "test_mocks.js",
        "test_run.js",
        "test_runner.js",
        "test_snapshots.js",
        "test_vi.js",
        "test_worker.js",
        "timers.js",
        "timing.js",
        "tracing.js",
        "virtual_time.js",
        "warm_up.js",
        "websocket.js",
        "websocket_checks.js",
        "worker_event.js",
        "workers.js",
        "writable.js",
    ],
    lazy_loaded_js = [
        dir "../js",
        "ext:stead/cloudflare_workers.js" = "stubs/cloudflare_workers.js",
        "ext:stead/cloudflare_email.js" = "stubs/cloudflare_email.js",
        "ext:stead/cloudflare_sockets.js" = "stubs/cloudflare_sockets.js",
        "ext:stead/cloudflare_workflows.js" = "stubs/cloudflare_workflows.js",
        "ext:stead/node_async_hooks.js" = "stubs/node_async_hooks.js",
        "ext:stead/core_view.js" = "stubs/core_view.js",
        "ext:stead/refusals.js" = "stubs/refusals.js",
        "ext:stead/inner_request.js" = "stubs/inner_request.js",
        "ext:stead/former.js" = "stubs/former.js",
        "ext:stead/late.js" = "stubs/late.js",
        "ext:stead/cloudflare_test.js" = "stubs/cloudflare_test.js",
        "ext:stead/stead_test.js" = "stubs/stead_test.js",
        "ext:stead/vitest.js" = "stubs/vitest.js",
        // deno_fetch asks for these two packages; it gets stand-ins, so that neither they nor
        // what they need (QUIC, OpenTelemetry, a TypeScript transpiler) is in the binary.
        "ext:deno_net/02_tls.js" = "stubs/tls.js",
        "ext:deno_telemetry/telemetry.ts" = "stubs/telemetry.js",
        "ext:deno_telemetry/util.ts" = "stubs/telemetry_util.js",
    ],
    synthetic_esm = [
        "cloudflare:workers" = "ext:stead/cloudflare_workers.js",
        "cloudflare:email" = "ext:stead/cloudflare_email.js",
        "cloudflare:sockets" = "ext:stead/cloudflare_sockets.js",
        "cloudflare:workflows" = "ext:stead/cloudflare_workflows.js",
        "node:async_hooks" = "ext:stead/node_async_hooks.js",
        "cloudflare:test" = "ext:stead/cloudflare_test.js",
        "stead:test" = "ext:stead/stead_test.js",
        "stead:vitest" = "ext:stead/vitest.js",
    ],
);

/// Every extension, in the order in which they are initialised. Used to make the snapshot and
/// to load it: deno_core refuses a snapshot whose extensions differ in name or order.
///
/// An area of Stead adds its extension above `stead`, whose JavaScript uses the ops of all.
/// `seed` makes `crypto.getRandomValues` and `crypto.randomUUID` repeatable.
pub fn extensions(user_agent: String, seed: Option<u64>) -> Vec<Extension> {
    vec![
        deno_webidl::deno_webidl::init(),
        deno_web::deno_web::init(
            Arc::new(BlobStore::default()),
            None,
            false,
            InMemoryBroadcastChannel::default(),
        ),
        deno_crypto::deno_crypto::init(seed),
        deno_fetch::deno_fetch::init(fetch_options(user_agent)),
        stead_activity::init(),
        stead_console::init(),
        stead_digest::init(),
        stead_exception::init(),
        stead_clone::init(),
        stead_sql::init(),
        stead_kv::init(),
        stead_transaction::init(),
        stead_alarm::init(),
        stead_bookmark::init(),
        stead_feed::init(),
        stead_gate::init(),
        stead_attachment::init(),
        stead_stub::init(),
        stead_tcp::init(),
        stead_callee::init(),
        stead_event::init(),
        stead_event_abort::init(),
        stead_time::init(),
        stead_testing::init(),
        stead_websocket::init(),
        stead_object_socket::init(),
        stead_assets::init(),
        stead_facet::init(),
        stead_turn::init(),
        stead_cache::init(),
        stead_html::init(),
        crate::node::extension(),
        stead::init(),
    ]
}

fn fetch_options(user_agent: String) -> deno_fetch::Options {
    deno_fetch::Options {
        user_agent,
        root_cert_store_provider: Some(Arc::new(BundledRoots)),
        ..Default::default()
    }
}

/// The certificate authorities Mozilla trusts, as the binary carries them. Parsed once per
/// process, at the first connection over TLS.
pub fn root_certificates() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| Arc::new(deno_tls::create_default_root_cert_store()))
}

/// The same for deno_fetch.
struct BundledRoots;

impl RootCertStoreProvider for BundledRoots {
    fn get_or_try_init(&self) -> Result<&RootCertStore, JsErrorBox> {
        Ok(root_certificates())
    }
}
