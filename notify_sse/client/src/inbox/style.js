// How the inbox looks. Pages change it by the variables and the parts.
export const STYLE = `
:host {
  --ink: var(--notify-inbox-color, light-dark(#1b1b2b, #ececf6));
  --soft: var(--notify-inbox-soft-color, light-dark(#5c5c72, #a9a9c0));
  --ground: var(--notify-inbox-background, light-dark(#fff, #1c1c28));
  --line: var(--notify-inbox-line, light-dark(#dedeea, #353546));
  --accent: var(--notify-inbox-accent, light-dark(#4338ca, #a5a0ff));
  --on-accent: var(--notify-inbox-on-accent, light-dark(#fff, #14122e));
  --raised: var(--notify-inbox-unread-background, light-dark(#f1f0fd, #262639));
  display: inline-block; position: relative; font: 400 .9375rem/1.45 system-ui, sans-serif; color: var(--ink); color-scheme: light dark;
}
:host([hidden]), [hidden] { display: none !important; }
button {
  font: inherit; color: inherit; background: none; border: 0; border-radius: .5rem; padding: .3rem .6rem; min-height: 44px; min-width: 44px;
  cursor: pointer;
}
button:hover { background: var(--raised); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
[part=bell] { position: relative; display: grid; place-items: center; padding: 0; }
[part=bell] svg { width: 1.5rem; height: 1.5rem; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
[part=badge] {
  position: absolute; inset-block-start: 2px; inset-inline-end: 0; min-width: 1.25rem; padding: 0 .3rem; box-sizing: border-box; text-align: center;
  border-radius: 1rem; background: var(--notify-inbox-badge, light-dark(#b91c1c, #fca5a5)); color: light-dark(#fff, #2b0508);
  font-size: .75rem; font-weight: 650; line-height: 1.25rem; font-variant-numeric: tabular-nums;
}
[part=panel] {
  position: fixed; inset: auto; margin: 0; width: var(--notify-inbox-width, 24rem); max-width: calc(100vw - 1rem); max-height: min(34rem, 80vh);
  padding: 0; box-sizing: border-box; flex-direction: column; overflow: hidden; color: var(--ink); background: var(--ground);
  border: 1px solid var(--line); border-radius: var(--notify-inbox-radius, .9rem); box-shadow: 0 12px 36px rgb(0 0 0 / .22); z-index: 1000;
}
[part=panel].open { display: flex; }
[part=panel]:not(.open) { display: none; }
[part=head] { display: flex; align-items: center; gap: .25rem; padding: .25rem .25rem .25rem 1rem; border-block-end: 1px solid var(--line); }
[part=head] h2 { flex: 1; margin: 0; font-size: 1rem; font-weight: 650; }
[part=mark-all], [part=older], [part=desktop] { color: var(--accent); font-size: .85rem; }
[part=scroll] { overflow-y: auto; overscroll-behavior: contain; flex: 1; min-height: 6rem; }
[part=list] { list-style: none; margin: 0; padding: 0; }
[part~=item] { display: flex; align-items: start; gap: .6rem; padding: .35rem .35rem .35rem 1rem; border-block-end: 1px solid var(--line); }
[part~=item]:focus-visible { outline-offset: -3px; }
[part~=unread] { background: var(--raised); }
[part=dot] { flex: none; width: .55rem; height: .55rem; margin-block-start: .95rem; border-radius: 50%; background: transparent; }
[part~=unread] [part=dot] { background: var(--accent); }
[part=body] { flex: 1; min-width: 0; padding-block: .45rem; overflow-wrap: anywhere; }
[part=body] p { margin: 0; }
[part=title] { font-weight: 600; }
[part=time] { color: var(--soft); font-size: .8rem; }
[part=toggle] { flex: none; color: var(--soft); }
[part=note] { margin: 0; padding: 2rem 1rem; text-align: center; color: var(--soft); }
[part=foot] { display: flex; justify-content: center; align-items: center; gap: .5rem; flex-wrap: wrap; color: var(--soft); font-size: .85rem; min-height: 44px; }
[part=end] { margin: 0; }
[part=toasts] {
  position: fixed; inset-block-end: 1rem; inset-inline-end: 1rem; display: flex; flex-direction: column; gap: .5rem; z-index: 1001;
  width: 22rem; max-width: calc(100vw - 2rem); pointer-events: none;
}
[part=toast] {
  display: flex; align-items: start; gap: .5rem; padding: .25rem .25rem .25rem 1rem; background: var(--ground); border: 1px solid var(--line);
  border-radius: var(--notify-inbox-radius, .9rem); box-shadow: 0 8px 24px rgb(0 0 0 / .2); pointer-events: auto;
}
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (forced-colors: active) { [part~=unread] [part=dot], [part=badge] { background: Highlight; forced-color-adjust: none; } }
`;
