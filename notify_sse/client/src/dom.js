// What the elements are made with: nodes by createElement and styles by constructed sheets, so that they work under a strict content
// security policy, and with Trusted Types.

/**
 * An element with these properties and attributes (those with a dash, `part` and `role`), and these children.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [given]
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (name.includes("-") || name === "part" || name === "role") element.setAttribute(name, String(value));
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else Reflect.set(element, name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

/**
 * @param {ShadowRoot} root
 * @param {string} css
 */
export function addStyles(root, css) {
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
  } catch {
    root.append(make("style", { textContent: css })); // Safari before 16.4
  }
}

/**
 * What a page set before the element was defined hides the property of that name: it is set again, properly.
 *
 * @param {HTMLElement} element
 * @param {...string} names
 */
export function upgradeProperties(element, ...names) {
  for (const name of names) {
    if (!Object.hasOwn(element, name)) continue;
    const value = Reflect.get(element, name);
    Reflect.deleteProperty(element, name);
    Reflect.set(element, name, value);
  }
}

/**
 * Defines an element, in a browser and once.
 *
 * @param {string} name
 * @param {CustomElementConstructor} Class
 */
export function define(name, Class) {
  const elements = globalThis.customElements;
  if (elements && !elements.get(name)) elements.define(name, Class);
}

/** What an element extends. Where a server renders there are no elements, and nothing is made of them. */
export const BaseElement =
  globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (/** @type {unknown} */ (class {}));
