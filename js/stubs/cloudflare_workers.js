// The backing script of the module `cloudflare:workers`, whose members are made in workers.js.
(function () {
  const { internals } = __bootstrap;
  return internals.cloudflareWorkers;
})();
