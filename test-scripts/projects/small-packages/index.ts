import { addDays, formatISO } from "date-fns";
import * as jose from "jose";
import _ from "lodash";
import { nanoid } from "nanoid";
import { decodeTime, ulid } from "ulid";
import { v4, validate } from "uuid";

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    switch (pathname) {
      case "/ids":
        return Response.json([nanoid().length, validate(v4()), decodeTime(ulid(1000))]);
      case "/lodash":
        return Response.json(_.groupBy(_.range(5), (n: number) => (n % 2 ? "odd" : "even")));
      case "/date":
        return new Response(formatISO(addDays(new Date(0), 1), { representation: "date" }));
      case "/jwt": {
        const key = new TextEncoder().encode("a secret of thirty-two characters");
        const token = await new jose.SignJWT({ a: 1 }).setProtectedHeader({ alg: "HS256" }).sign(key);
        return Response.json((await jose.jwtVerify(token, key)).payload);
      }
      default: {
        const { later } = await import("./later");
        return new Response(later);
      }
    }
  },
};
