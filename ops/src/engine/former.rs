//! Where compatibility flags change the classes of the deno packages: their scripts ask `js/stubs/former.js` for the
//! older behaviour. The pieces are put in while the snapshot is made.

use super::wording::{Replacement, replace};

/// Binds the object that says what is as it was.
macro_rules! bound {
    ($before:literal) => {
        (
            $before,
            concat!(
                "const { former } = core.loadExtScript(\"ext:stead/former.js\");\n",
                $before
            ),
        )
    };
}

const SCRIPTS: &[(&str, &[Replacement])] = &[
    ("ext:deno_web/02_event.js", EVENTS),
    ("ext:deno_web/06_streams.js", STREAMS),
    ("ext:deno_web/08_text_encoding.js", ENCODINGS),
    ("ext:deno_web/14_compression.js", COMPRESSION),
    ("ext:deno_fetch/26_fetch.js", FETCH),
];

const EVENTS: &[Replacement] = &[
    bound!("function innerInvokeEventListeners("),
    (
        "listener.callback,\n          eventImpl.currentTarget,",
        "listener.callback,\n          former.listenersHaveNoTarget ? globalThis_ : eventImpl.currentTarget,",
    ),
    (
        "} catch (error) {\n      reportException(error);\n    }\n\n    setInPassiveListener",
        "} catch (error) {\n      if (former.dispatch === null) reportException(error);\n      else {\n        \
         former.dispatch.thrown ??= { error };\n        setStopImmediatePropagation(eventImpl, true);\n      }\n    \
         }\n\n    setInPassiveListener",
    ),
    // Whatever the flags are, handlers in properties are called as functions.
    (
        "return FunctionPrototypeCall(wrappedHandler.handler, this, evt);",
        "return FunctionPrototypeCall(wrappedHandler.handler, globalThis_, evt);",
    ),
];

const STREAMS: &[Replacement] = &[
    bound!("function transformStreamDefaultControllerEnqueue("),
    (
        "if (backpressure !== stream[_backpressure]) {\n    assert(backpressure === true);",
        "if (backpressure !== stream[_backpressure] && !former.transformsNeverFill) {\n    assert(backpressure === \
         true);",
    ),
    (
        "writableStreamDefaultWriterEnsureReadyPromiseRejected(\n    writer,\n    releasedError,\n  );",
        "if (!former.releasedWritersStayReady) {\n    writableStreamDefaultWriterEnsureReadyPromiseRejected(\n      \
         writer,\n      releasedError,\n    );\n  }",
    ),
    (
        "isOrBecomesErrored(dest, writer[_closedPromise].promise, (storedError) => {\n    if (preventCancel === false) {",
        "let writeFailed = false;\n  isOrBecomesErrored(dest, writer[_closedPromise].promise, (storedError) => {\n    \
         if (former.pipesEndWithDestination && !writeFailed) {\n      if (preventCancel) shutdown();\n      else \
         shutdownWithAction(() => readableStreamCancel(source, storedError));\n      return;\n    }\n    if \
         (preventCancel === false) {",
    ),
    (
        "currentWrite = writableStreamDefaultWriterWrite(writer, chunk);\n    setPromiseIsHandledToTrue(currentWrite);",
        "currentWrite = writableStreamDefaultWriterWrite(writer, chunk);\n    if (former.pipesEndWithDestination) {\n      \
         uponRejection(currentWrite, () => writeFailed = true);\n    }\n    setPromiseIsHandledToTrue(currentWrite);",
    ),
];

const ENCODINGS: &[Replacement] = &[
    bound!("class TextDecoderStream {"),
    (
        "return PromiseReject(err);\n        }\n      },\n    });",
        "return PromiseReject(err);\n        }\n      },\n    }, undefined, { highWaterMark: former.textStreamRoom });",
    ),
];

const COMPRESSION: &[Replacement] = &[
    bound!("function write(rid, chunk) {"),
    (
        "const more = error.message === \"failed to write whole buffer\";\n",
        "const more = error.message === \"failed to write whole buffer\";\n    if (more && former.laxDecompression) \
         return new Uint8Array(0);\n",
    ),
    (
        "} catch {\n    throw new TypeError(\"Called close()",
        "} catch {\n    if (former.laxDecompression) return new Uint8Array(0);\n    throw new TypeError(\"Called \
         close()",
    ),
];

const FETCH: &[Replacement] = &[
    bound!("const REDIRECT_SENSITIVE_HEADER_NAMES = ["),
    (
        "if (locationURL.origin !== currentURL.origin) {",
        "if (locationURL.origin !== currentURL.origin && !former.redirectsKeepAuthorization) {",
    ),
];

/// The script with its questions.
///
/// # Panics
///
/// When a place is not there: the package has changed.
pub fn ask(specifier: &str, script: String) -> String {
    replace(specifier, script, SCRIPTS)
}
