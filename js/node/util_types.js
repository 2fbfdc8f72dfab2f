// @ts-check

// The module `node:util/types`.
// https://nodejs.org/api/util.html#utiltypes

const { core } = __bootstrap;
const typedArrayTag = /** @type {any} */ (Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)).get;

/** @param {any} value @returns {string | undefined} */
const arrayName = (value) => typedArrayTag.call(value);

/** @param {string} name */
const isArrayOf = (name) => (/** @type {any} */ value) => arrayName(value) === name;

const types = {
  isAnyArrayBuffer: core.isAnyArrayBuffer,
  isArgumentsObject: core.isArgumentsObject,
  isArrayBuffer: core.isArrayBuffer,
  isArrayBufferView: (/** @type {any} */ value) => ArrayBuffer.isView(value),
  isAsyncFunction: core.isAsyncFunction,
  isBigInt64Array: isArrayOf("BigInt64Array"),
  isBigIntObject: core.isBigIntObject,
  isBigUint64Array: isArrayOf("BigUint64Array"),
  isBooleanObject: core.isBooleanObject,
  isBoxedPrimitive: core.isBoxedPrimitive,
  isCryptoKey: (/** @type {any} */ value) => value instanceof CryptoKey,
  isDataView: core.isDataView,
  isDate: core.isDate,
  isExternal: () => false,
  isFloat16Array: isArrayOf("Float16Array"),
  isFloat32Array: isArrayOf("Float32Array"),
  isFloat64Array: isArrayOf("Float64Array"),
  isGeneratorFunction: core.isGeneratorFunction,
  isGeneratorObject: core.isGeneratorObject,
  isInt16Array: isArrayOf("Int16Array"),
  isInt32Array: isArrayOf("Int32Array"),
  isInt8Array: isArrayOf("Int8Array"),
  isKeyObject: (/** @type {any} */ value) => value?.[Symbol.for("stead.KeyObject")] === true,
  isMap: core.isMap,
  isMapIterator: core.isMapIterator,
  isModuleNamespaceObject: core.isModuleNamespaceObject,
  isNativeError: core.isNativeError,
  isNumberObject: core.isNumberObject,
  isPromise: core.isPromise,
  isProxy: core.isProxy,
  isRegExp: core.isRegExp,
  isSet: core.isSet,
  isSetIterator: core.isSetIterator,
  isSharedArrayBuffer: core.isSharedArrayBuffer,
  isStringObject: core.isStringObject,
  isSymbolObject: core.isSymbolObject,
  isTypedArray: (/** @type {any} */ value) => arrayName(value) !== undefined,
  isUint16Array: isArrayOf("Uint16Array"),
  isUint32Array: isArrayOf("Uint32Array"),
  isUint8Array: isArrayOf("Uint8Array"),
  isUint8ClampedArray: isArrayOf("Uint8ClampedArray"),
  isWeakMap: core.isWeakMap,
  isWeakSet: core.isWeakSet,
};

export const {
  isAnyArrayBuffer, isArgumentsObject, isArrayBuffer, isArrayBufferView, isAsyncFunction, isBigInt64Array,
  isBigIntObject, isBigUint64Array, isBooleanObject, isBoxedPrimitive, isCryptoKey, isDataView, isDate, 
  isExternal, isFloat16Array, isFloat32Array, isFloat64Array, isGeneratorFunction, isGeneratorObject, isInt16Array,
  isInt32Array, isInt8Array, isKeyObject, isMap, isMapIterator, isModuleNamespaceObject, isNativeError, isNumberObject,
  isPromise, isProxy, isRegExp, isSet, isSetIterator, isSharedArrayBuffer, isStringObject, isSymbolObject,
  isTypedArray, isUint16Array, isUint32Array, isUint8Array, isUint8ClampedArray, isWeakMap, isWeakSet,
} = types;
export default types;
