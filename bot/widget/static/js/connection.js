// The wire: session tokens, the WebSocket, back-off, and messages that are sent again until they are acknowledged.
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15000;
const ACK_PATIENCE = 10000; // a socket that stays silent this long after a message is taken for dead
const RENEWAL = 0.66; // of a token's life

/** Seconds or milliseconds since 1970, or an ISO time, to milliseconds. */
export function toMilliseconds(value) {
  if (typeof value === "number") return value < 1e12 ? value * 1000 : value;
  const parsed = Date.parse(value ?? "");
  return Number.isNaN(parsed) ? Date.now() + 600000 : parsed;
}

export class Connection {
  /**
   * @param {URL} origin   where the gateway is
   * @param {Memory} memory
   * @param {object} on     language() of the page, and listeners: session(answer, replaced), ready(frame),
   *                        frame(frame), status("connecting" | "lost" | "open" | "refused")
   */
  constructor(origin, memory, on) {
    this.origin = origin;
    this.memory = memory;
    this.on = on;
    this.socket = null;
    this.ready = false;
    this.running = false;
    this.seen = 0; // the last outbox id shown on this page
    this.failures = 0;
    this.round = 0; // tells an answer that arrives after stop() from a wanted one
    addEventListener("online", () => this.running && !this.socket && this.#retry(0));
    // A page frozen by the phone wakes up with a dead socket and a throttled timer.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.running && !this.socket) this.#retry(0);
    });
  }

  start() {
    if (this.running) return;
    this.running = true;
    this.failures = 0;
    this.on.status("connecting");
    this.#connect();
  }

  stop() {
    this.running = false;
    this.round += 1;
    clearTimeout(this.retryTimer);
    clearTimeout(this.renewTimer);
    this.#drop();
    this.seen = 0;
  }

  /** Keeps a frame (with its own `id`) until the gateway acknowledges it. */
  send(frame) {
    this.memory.save({ pending: [...this.memory.state.pending, frame] });
    this.start();
    if (this.ready) this.#transmit(frame);
  }

  /** Takes a frame out of the queue: acknowledged, or refused for good. */
  settle(id) {
    const pending = this.memory.state.pending.filter((frame) => frame.id !== id);
    if (pending.length !== this.memory.state.pending.length) this.memory.save({ pending });
    if (!pending.length) clearTimeout(this.ackTimer);
  }

  async #connect() {
    const round = ++this.round;
    clearTimeout(this.retryTimer);
    try {
      await this.#openSession(round);
      if (round === this.round && this.running) this.#openSocket(round);
    } catch (error) {
      if (round !== this.round) return;
      console.warn("teller: no session yet", error);
      this.#lost(error.refused ? "refused" : "lost");
    }
  }

  async #openSession(round) {
    const request = (token) =>
      fetch(new URL("/api/session", this.origin), {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ token, language: this.on.language() }),
      });
    let answer = await request(this.memory.state.token);
    // A token of another server, or too old: begin anew, once.
    if ([400, 401, 403, 404, 410, 422].includes(answer.status) && this.memory.state.token)
      answer = await request(null);
    if (!answer.ok) throw Object.assign(new Error(`session: ${answer.status}`), { refused: answer.status < 500 });
    const session = await answer.json();
    if (round !== this.round) return;
    const before = this.memory.state.conversation;
    const replaced = before !== null && before !== session.conversation_id;
    if (replaced) this.seen = 0;
    this.memory.save({
      token: session.token,
      conversation: session.conversation_id,
      customer: Boolean(session.customer),
    });
    this.#planRenewal(session.expires_at);
    this.on.session(session, replaced);
    return replaced;
  }

  #planRenewal(expires) {
    clearTimeout(this.renewTimer);
    const wait = Math.max(1000, (toMilliseconds(expires) - Date.now()) * RENEWAL);
    this.renewTimer = setTimeout(
      async () => {
        try {
          if (await this.#openSession(this.round)) this.#reconnect(0); // the socket still serves the ended conversation
        } catch (error) {
          // The socket goes on for now; when the token runs out the gateway says so and we start over.
          console.warn("teller: token not renewed", error);
        }
      },
      Math.min(wait, 2 ** 31 - 1),
    );
  }

  #openSocket(round) {
    const url = new URL("/ws", this.origin);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onopen = () =>
      socket.send(JSON.stringify({ type: "hello", token: this.memory.state.token, after: this.seen }));
    socket.onmessage = (event) => round === this.round && this.#receive(JSON.parse(event.data));
    socket.onclose = () => round === this.round && this.#lost("lost");
  }

  #receive(frame) {
    switch (frame.type) {
      case "ready":
        this.ready = true;
        this.failures = 0;
        this.on.ready(frame);
        this.on.status("open");
        for (const waiting of this.memory.state.pending) this.#transmit(waiting);
        return;
      case "ack":
        this.settle(frame.id);
        break;
      case "reply":
        if (frame.id <= this.seen) return; // shown already
        this.seen = frame.id;
        break;
      case "error":
        if (frame.code === "token_expired" || frame.code === "token_invalid")
          return this.#renewAndReconnect(frame.code);
        break;
    }
    this.on.frame(frame);
  }

  /** A refused token at every attempt must not become a busy loop: only the first renewal is immediate. */
  #renewAndReconnect(code) {
    if (code === "token_invalid") this.memory.save({ token: null });
    this.#reconnect(this.failures++ ? this.#delay() : 0);
  }

  #reconnect(wait) {
    this.#drop();
    this.round += 1;
    this.#retry(wait);
  }

  #transmit(frame) {
    this.socket.send(JSON.stringify(frame));
    clearTimeout(this.ackTimer);
    this.ackTimer = setTimeout(() => this.ready && this.#lost("lost"), ACK_PATIENCE);
  }

  #lost(status) {
    this.#drop();
    if (!this.running) return;
    this.failures += 1;
    this.on.status(status);
    this.#reconnect(this.#delay());
  }

  #delay() {
    const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.failures - 1));
    return ceiling * (0.5 + Math.random() / 2);
  }

  #retry(wait) {
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.running && this.#connect(), wait);
  }

  #drop() {
    clearTimeout(this.ackTimer);
    this.ready = false;
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
