// The backing script of the module `cloudflare:sockets`, whose members are made in tcp.js.
(function () {
  const { internals } = __bootstrap;
  return internals.cloudflareSockets;
})();
