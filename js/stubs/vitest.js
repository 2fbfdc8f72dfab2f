// The backing script of the module `vitest`, whose members are made in test_*.js.
(function () {
  const { internals } = __bootstrap;
  if (internals.vitest === undefined) {
    throw new Error("`vitest` is available to tests only: run the file with `stead test`");
  }
  return internals.vitest;
})();
