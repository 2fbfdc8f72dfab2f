import { AutoRouter } from "itty-router";

const router = AutoRouter();
router.get("/users/:id", ({ id }) => ({ id }));
router.all("*", () => new Response("nothing", { status: 404 }));

export default { fetch: router.fetch };
