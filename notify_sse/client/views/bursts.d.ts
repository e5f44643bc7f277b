import type { BurstOptions } from "./store.js";

export type QueueOptions = Pick<BurstOptions, "throttle" | "nextFrame"> & {
  /** For tests. */
  now?: () => number;
};

export declare function bursts<Item>(
  hand: (items: Item[]) => unknown,
  options?: QueueOptions,
): { add(item: Item, type?: string): void; stop(): void };
export declare function soon(act: () => void): () => void;
