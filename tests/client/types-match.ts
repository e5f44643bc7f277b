// Checked by tsc, never run: the code of each public module has the types that its .d.ts declares. `code/…` is the .js itself
// (see tsconfig.code.json); users, and all other modules, see the .d.ts.

import type { HistoryError } from "notify-sse";

/** `true` when code and declaration agree, else what does not. */
type Match<Code, Declared> = [Exclude<keyof Code, keyof Declared>] extends [never]
  ? [Unfit<Code, Declared>] extends [never]
    ? true
    : ["declared otherwise", Unfit<Code, Declared>]
  : ["not declared", Exclude<keyof Code, keyof Declared>];

/** The names that the code does not export as they are declared. */
type Unfit<Code, Declared> = {
  [Name in keyof Declared]: Name extends keyof Code
    ? Fits<Code[Name], Declared[Name]> extends true
      ? never
      : Name
    : Name;
}[keyof Declared];

/**
 * A class fits when it can be used as declared, and its objects have no other public members. Anything else must be the same
 * in both directions. (An option that is not declared is an error in the code itself, which takes the declared options.)
 */
type Fits<Code, Declared> = [Code] extends [Declared]
  ? Code extends new (
      ...given: any
    ) => infer CodeObject
    ? Declared extends new (
        ...given: any
      ) => infer DeclaredObject
      ? [keyof CodeObject] extends [keyof DeclaredObject]
        ? true
        : false
      : false
    : [Declared] extends [Code]
      ? true
      : false
  : false;

export const core: Match<typeof import("code/src/notify-sse"), typeof import("notify-sse")> = true;
export const store: Match<typeof import("code/views/store"), typeof import("notify-sse/store")> = true;
export const badge: Match<typeof import("code/views/badge"), typeof import("notify-sse/badge")> = true;
export const bursts: Match<typeof import("code/views/bursts"), typeof import("notify-sse/bursts")> = true;
export const devtools: Match<typeof import("code/views/notify-devtools"), typeof import("notify-sse/notify-devtools")> =
  true;
export const testing: Match<typeof import("code/views/testing"), typeof import("notify-sse/testing")> = true;
export const inbox: Match<typeof import("code/views/notify-inbox"), typeof import("notify-sse/notify-inbox")> = true;
export const status: Match<typeof import("code/views/notify-status"), typeof import("notify-sse/notify-status")> = true;
export const react: Match<typeof import("code/frameworks/react"), typeof import("notify-sse/react")> = true;
export const redux: Match<typeof import("code/frameworks/redux"), typeof import("notify-sse/redux")> = true;
export const svelte: Match<typeof import("code/frameworks/svelte"), typeof import("notify-sse/svelte")> = true;
export const vue: Match<typeof import("code/frameworks/vue"), typeof import("notify-sse/vue")> = true;
export const zustand: Match<typeof import("code/frameworks/zustand"), typeof import("notify-sse/zustand")> = true;

// Of the errors the class is not exported, but its fields are promised.
export const historyError: HistoryError = new (await import("code/src/errors")).HistoryError(404);

// The measure itself finds what it is for.
class Declared {
  shown = 1;
}
class WithMore extends Declared {
  hidden = 2;
}
// @ts-expect-error: a name that is not declared
export const undeclared: Match<{ a: 1; b: 2 }, { a: 1 }> = true;
// @ts-expect-error: a name that the code does not export
export const missing: Match<{ a: 1 }, { a: 1; b: 2 }> = true;
// @ts-expect-error: an argument of another type
export const otherArgument: Match<{ f(x: number): void }, { f(x: string): void }> = true;
// @ts-expect-error: a member that is not declared
export const moreMembers: Match<{ C: typeof WithMore }, { C: typeof Declared }> = true;
