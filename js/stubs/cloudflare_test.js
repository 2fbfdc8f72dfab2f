// The backing script of the module `cloudflare:test`, whose members are made in test_*.js.
(function () {
  const { internals } = __bootstrap;
  if (internals.cloudflareTest === undefined) {
    throw new Error("`cloudflare:test` is available to tests only: run the file with `stead test`");
  }
  return internals.cloudflareTest;
})();
