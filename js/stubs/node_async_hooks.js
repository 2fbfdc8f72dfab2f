// The backing script of the module `node:async_hooks`, whose members are made in async_hooks.js.
(function () {
  const { internals } = __bootstrap;
  return internals.nodeAsyncHooks;
})();
