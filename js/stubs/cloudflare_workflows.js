// The module `cloudflare:workflows`: the error that a step of a workflow ends with, which other code may throw, too.
(function () {
  class NonRetryableError extends Error {
    constructor(message, name = "NonRetryableError") {
      super(message);
      this.name = name;
    }
  }
  return { NonRetryableError };
})();
