import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { validator } from "hono/validator";

const app = new Hono<{ Bindings: { GREETING: string } }>();
app.use(async (c, next) => {
  await next();
  c.header("x-took", "some time");
});
app.get("/", (c) => c.json({ greeting: c.env.GREETING }));
app.get("/users/:name{[a-z]+}", (c) => c.text(`hello ${c.req.param("name")}`));
app.post("/sum", validator("json", (value) => value as { numbers: number[] }), (c) => {
  const { numbers } = c.req.valid("json");
  return c.json({ sum: numbers.reduce((a, b) => a + b, 0) });
});
app.get("/teapot", () => {
  throw new HTTPException(418, { message: "short and stout" });
});

export default app;
