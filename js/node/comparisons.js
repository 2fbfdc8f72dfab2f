// @ts-check

// Deep equality, as Node's `assert` means it.

import { isDeepEqual, isDeepStrictEqual } from "assert/build/internal/util/comparisons";

export { isDeepEqual, isDeepStrictEqual };
