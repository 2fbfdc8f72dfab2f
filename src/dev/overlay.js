const version = document.querySelector("main").dataset.version;
async function wait() {
  for (;;) {
    try {
      const response = await fetch("/cdn-cgi/stead/version?after=" + version);
      if (response.ok && (await response.text()) !== version) return location.reload();
    } catch {
      // The server restarts, or has ended.
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
wait();
document.getElementById("dismiss")?.addEventListener("click", () => {
  fetch("/cdn-cgi/stead/dismiss", { method: "POST" });
});
