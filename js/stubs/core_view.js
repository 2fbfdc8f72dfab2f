// Gives out the `core` object that lazily loaded scripts see. It is a copy of the real one, and
// unlike that one it is not frozen: what is replaced here is replaced for all those scripts.

(function () {
return __bootstrap.core;
})();
