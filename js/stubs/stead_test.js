// The backing script of the module `stead:test`, whose members are made in test_*.js.
(function () {
  const { internals } = __bootstrap;
  if (internals.steadTest === undefined) {
    throw new Error("`stead:test` is available to tests only: run the file with `stead test`");
  }
  return internals.steadTest;
})();
