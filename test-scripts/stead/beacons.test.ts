// Beacons that cannot be sent: the caller is not told, but it is reported.
import { assertEquals } from "../conformance/assert.ts";

export const aBeaconToNowhere = {
  async test() {
    const reported: string[] = [];
    const note = (event: any) => {
      reported.push(String(event.reason));
      event.preventDefault();
    };
    addEventListener("unhandledrejection", note);
    const { sendBeacon } = navigator as any;
    assertEquals(Reflect.apply(sendBeacon, navigator, ["::", "data"]), true);
    await scheduler.wait(1);
    removeEventListener("unhandledrejection", note);
    assertEquals(reported, ["TypeError: Invalid URL: ::"]);
  },
};
