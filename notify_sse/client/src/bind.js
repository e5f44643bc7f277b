/**
 * Methods work without their object then: handed over by themselves, and through a proxy (Vue's `reactive()` makes one), behind which
 * private fields are out of reach.
 *
 * @param {any} object
 * @param {Function} Class
 */
export function bindMethods(object, Class) {
  for (const name of Object.getOwnPropertyNames(Class.prototype)) {
    if (name !== "constructor") object[name] = object[name].bind(object);
  }
}
