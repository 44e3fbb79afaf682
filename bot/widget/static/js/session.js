// What the widget remembers across reloads. sessionStorage: one tab, gone when the tab is closed, which suits a bank.
const KEY = "teller.chat";
const LOGOUT = "teller.logout";

const FRESH = () => ({ token: null, conversation: null, customer: false, open: false, active: 0, pending: [] });

export class Memory {
  constructor() {
    this.state = FRESH();
    try {
      Object.assign(this.state, JSON.parse(sessionStorage.getItem(KEY) ?? "{}"));
    } catch (error) {
      // Damaged by something else on the page, or storage is refused: the chat works, without memory.
      console.warn("teller: nothing remembered", error);
    }
  }

  save(changes = {}) {
    Object.assign(this.state, changes);
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.state));
    } catch (error) {
      console.warn("teller: cannot remember", error);
    }
  }

  /** Drops the conversation; whether the panel is open is no secret and stays. */
  forget() {
    this.save({ ...FRESH(), open: this.state.open });
  }

  touch() {
    this.save({ active: Date.now() });
  }

  idleSince(seconds) {
    return this.state.active > 0 && Date.now() - this.state.active > seconds * 1000;
  }
}

/** Tells this bank's other tabs that the customer has logged out. */
export function announceLogout() {
  try {
    localStorage.setItem(LOGOUT, String(Date.now()));
  } catch (error) {
    console.warn("teller: cannot tell the other tabs", error);
  }
}

export function onLogoutElsewhere(listener) {
  addEventListener("storage", (event) => {
    if (event.key === LOGOUT && event.newValue) listener();
  });
}

/** A random UUID; crypto.randomUUID() itself exists only on https pages and on localhost. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
