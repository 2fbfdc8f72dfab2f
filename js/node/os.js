// @ts-check

// The module `node:os`. What a worker cannot know of its machine is what the platform says of its own.
// https://developers.cloudflare.com/workers/runtime-apis/nodejs/

import { constants } from "unenv/node/os";
import { expectInteger } from "./errors.js";

const os = {
  EOL: "\n",
  devNull: "/dev/null",
  constants,
  availableParallelism: () => 1,
  arch: () => "x64",
  cpus: () => [],
  endianness: () => "LE",
  freemem: () => 0,
  getPriority: () => 0,
  homedir: () => "/tmp/",
  hostname: () => "localhost",
  loadavg: () => [0, 0, 0],
  machine: () => "x86_64",
  networkInterfaces: () => ({}),
  platform: () => "linux",
  release: () => "",
  /** @param {any} pid @param {any} [priority] */
  setPriority(pid, priority) {
    expectInteger("pid", pid);
    if (priority !== undefined) expectInteger("priority", priority, -20, 19);
  },
  tmpdir: () => "/tmp/",
  totalmem: () => 0,
  type: () => "Linux",
  uptime: () => 0,
  userInfo: () => ({}),
  version: () => "",
};

export const {
  EOL, arch, availableParallelism, cpus, devNull, endianness, freemem, getPriority, homedir, hostname, loadavg, machine,
  networkInterfaces, platform, release, setPriority, tmpdir, totalmem, type, uptime, userInfo, version,
} = os;
export { constants };
export default os;
