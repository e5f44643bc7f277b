import type { BurstOptions } from "./store.js";

export declare function bursts<Item>(
  hand: (items: Item[]) => void,
  options?: Pick<BurstOptions, "throttle" | "nextFrame"> & { now?: () => number },
): { add(item: Item, type?: string): void; stop(): void };
export declare function soon(act: () => void): () => void;
