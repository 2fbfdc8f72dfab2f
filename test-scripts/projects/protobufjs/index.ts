// protobufjs makes its encoders from strings. Where evaluation is allowed while modules load, a type that is used there
// works ever after; one that is first used by a request does not, as on the platform.
import protobuf from "protobufjs";

const SOURCE = `syntax = "proto3"; message Hello { string name = 1; int32 n = 2; repeated int32 xs = 3; }`;
const hello = () => protobuf.parse(SOURCE).root.lookupType("Hello");
const early = hello();
early.setup();
const late = hello();

export default {
  fetch(request: Request): Response {
    const type = new URL(request.url).pathname === "/late" ? late : early;
    try {
      const bytes = type.encode({ name: "ann", n: 7, xs: [1] }).finish();
      return Response.json([[...bytes].join(), type.decode(bytes), type.verify({ name: 3 })]);
    } catch (error) {
      return new Response(`${error}`);
    }
  },
};
