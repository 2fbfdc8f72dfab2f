import { z } from "zod";

const User = z.object({ name: z.string().min(2), age: z.coerce.number().int().optional() });

export default {
  async fetch(request: Request): Promise<Response> {
    const result = User.safeParse(await request.json());
    if (result.success) return Response.json(result.data);
    return Response.json(result.error.issues.map((issue) => issue.path.join(".")), { status: 400 });
  },
};
