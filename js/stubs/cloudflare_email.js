// The module `cloudflare:email`. Packages import it that may never send anything.
(function () {
  class EmailMessage {
    constructor() {
      throw new Error("EmailMessage is not implemented in Stead yet.");
    }
  }
  return { EmailMessage };
})();
