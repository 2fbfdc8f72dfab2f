// Loaded when a runtime has been started from the snapshot, never while one is made. A snapshot
// can only hold the slow entry points of ops; deno_core attaches the fast ones before the first
// script that was not in the snapshot, and this is that script. See fast_ops.js.

(function () {
return __bootstrap.core.ops;
})();
