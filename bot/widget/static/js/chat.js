// The chat itself, loaded when the panel is first opened: it ties the wire, the memory and the screen together.
import { Connection } from "./connection.js";
import { describeHours } from "./hours.js";
import { newId, onLogoutElsewhere } from "./session.js";
import { View } from "./view.js";

const ERRORS = new Set(["rate_limited", "too_long", "empty", "unavailable", "button_expired", "button_invalid"]);
const TYPING_LIMIT = 45000; // longer than the longest turn: a lost "typing off" must not blink for ever

export class Chat {
  /**
   * @param {object} parts  panel elements by name (chat, banner, subtitle, status, counter, person), `memory`,
   *                        `config`, `texts`, and `unread()`, called for each reply
   */
  constructor(parts) {
    Object.assign(this, parts);
    this.state = "bot";
    this.link = "open";
    this.view = new View({
      submit: (text, container) => this.#submitted(text, container),
      press: (button) => this.#pressed(button),
      input: (text) => this.#count(text),
      follow: (event, link) => this.#followed(event, link),
    });
    this.connection = new Connection(this.config.origin, this.memory, {
      language: () => this.texts("language"),
      session: (session, replaced) => this.#session(session, replaced),
      ready: (frame) => this.#ready(frame),
      frame: (frame) => this.#frame(frame),
      status: (status) => this.#linkChanged(status),
    });
  }

  async start() {
    await this.view.mount(this.chat, { limit: this.config.limit, texts: this.texts });
    this.#count("");
    this.#introduce();
    if (this.memory.idleSince(this.config.idleSeconds)) this.memory.forget();
    onLogoutElsewhere(() => this.forget("logged_out"));
    setInterval(() => this.#closeWhenIdle(), Math.min(15000, this.config.idleSeconds * 250));
    this.connection.start();
  }

  focus() {
    this.view.focus();
  }

  setTexts(texts) {
    this.texts = texts;
    this.view.setTexts(texts);
    this.#count(this.view.input.textContent);
    this.#showState();
    const only = this.view.root.querySelectorAll(".outer-message-container").length === 1;
    if (only) {
      this.view.clear();
      this.#introduce(); // nothing said yet: the greeting follows the page's language
    }
  }

  askForPerson() {
    this.#say(this.texts("person_request"));
  }

  stop() {
    this.connection.stop();
  }

  /** Ends the conversation on this page and says why. */
  forget(reason) {
    this.connection.stop();
    this.memory.forget();
    this.state = "bot";
    this.link = "open";
    this.#empty();
    this.#showState();
    this.#notice(this.texts(reason));
  }

  #introduce() {
    const questions = this.texts("intro_questions").map((question) => ({
      title: question,
      say: question,
      keep: true,
    }));
    const person = { title: this.texts("person"), say: this.texts("person_request"), keep: true };
    this.view.addReply({ from: "bot", text: this.texts("intro"), buttons: [...questions, person] }, { intro: true });
  }

  #empty() {
    this.view.clear();
    this.#introduce();
  }

  #session(session, replaced) {
    if (!replaced) return;
    // The earlier conversation is over (logged out, timed out): what it said does not belong to this one.
    const unsent = this.memory.state.pending.filter((frame) => frame.type === "message");
    this.memory.save({ pending: unsent });
    if (this.view.root.querySelectorAll(".outer-message-container").length > 1) {
      this.#empty();
      this.#notice(this.texts("ended"));
      for (const frame of unsent) this.view.markSending(frame.id, this.view.addCustomer(frame.text));
    }
  }

  #ready(frame) {
    this.view.announce(false);
    const first = this.connection.seen === 0 && !this.drawn;
    const history = frame.history ?? [];
    const lastByCustomer = history.map((entry) => entry.from).lastIndexOf("customer");
    const known = new Set();
    history.forEach((entry, place) => {
      if (entry.from === "customer") {
        known.add(entry.id);
        if (first) this.view.addCustomer(entry.text);
        return;
      }
      if (!(entry.id > this.connection.seen)) return;
      this.connection.seen = entry.id;
      this.view.addReply(entry, { live: place > lastByCustomer });
    });
    if (first) {
      this.drawn = true;
      for (const waiting of this.memory.state.pending) {
        if (!known.has(waiting.id))
          this.view.markSending(waiting.id, this.view.addCustomer(waiting.text ?? waiting.title));
      }
    }
    if (!this.memory.state.active) this.memory.touch();
    this.state = frame.state ?? "bot";
    this.#showState();
    this.view.setTyping(false);
    setTimeout(() => this.view.announce(true), 500);
  }

  #frame(frame) {
    switch (frame.type) {
      case "ack":
        return this.view.markArrived(frame.id);
      case "typing":
        return this.#typing(frame.on);
      case "reply":
        this.#typing(false);
        this.memory.touch();
        this.view.addReply(frame);
        return this.unread();
      case "state":
        return this.#stateChanged(frame.state);
      case "error":
        return this.#failed(frame);
      default:
        return undefined; // a newer gateway may say more than this page knows
    }
  }

  #typing(on) {
    clearTimeout(this.typingTimer);
    this.view.setTyping(on);
    this.status.textContent = on ? this.texts(this.state === "agent" ? "typing_agent" : "typing") : "";
    if (on) this.typingTimer = setTimeout(() => this.#typing(false), TYPING_LIMIT);
  }

  #stateChanged(state) {
    const before = this.state;
    this.state = state;
    this.#showState();
    if (before !== state && state === "bot") this.#notice(this.texts("bot_again"));
    if (before !== state && state === "agent") this.#notice(this.texts("agent"));
  }

  #showState() {
    this.subtitle.textContent = this.texts(`subtitle.${this.state}`);
    this.person.hidden = this.state !== "bot";
    const kind = this.link !== "open" ? "connection" : this.state;
    let text = "";
    if (this.link === "lost") text = this.texts("reconnecting");
    else if (this.link === "refused") text = this.texts("error.session");
    else if (this.state === "waiting") {
      const hours = describeHours(this.config.officeHours, this.config.timezone, this.texts);
      text = this.texts("waiting") + (hours ? ` ${this.texts("waiting_hours", { hours })}` : "");
    }
    this.banner.hidden = !text;
    this.banner.dataset.kind = kind;
    if (this.banner.firstElementChild.textContent !== text) this.banner.firstElementChild.textContent = text;
  }

  #linkChanged(status) {
    this.link = status === "connecting" ? "open" : status;
    if (status !== "open") this.#typing(false);
    this.#showState();
  }

  #failed(frame) {
    if (frame.code === "conversation_closed") return this.#closed();
    this.#typing(false);
    const code = ERRORS.has(frame.code) ? frame.code : "generic";
    const refused = frame.id && this.memory.state.pending.find((waiting) => waiting.id === frame.id);
    if (frame.id) {
      this.connection.settle(frame.id);
      this.view.markArrived(frame.id);
    }
    const again = refused && ["rate_limited", "unavailable", "generic"].includes(code);
    const buttons = again ? [{ title: this.texts("retry"), again: refused }] : [];
    this.#notice(this.texts(`error.${code}`, { limit: this.config.limit }), { error: true, buttons });
  }

  /** The gateway has ended the conversation (logged out elsewhere, idle). What is still unsent opens a new one. */
  #closed() {
    const unsent = this.memory.state.pending;
    this.forget("closed");
    for (const frame of unsent) if (frame.type === "message") this.#send(frame, this.view.addCustomer(frame.text));
  }

  #notice(text, more = {}) {
    this.view.addReply({ from: "system", text, ...more });
  }

  /** deep-chat has drawn what was typed; it goes on the wire here. */
  #submitted(text, container) {
    this.view.write(""); // lets deep-chat notice that its field is empty again, and grey the send button
    this.#send({ type: "message", id: newId(), text: text.slice(0, this.config.limit) }, container);
  }

  #say(text) {
    this.#send({ type: "message", id: newId(), text }, this.view.addCustomer(text));
  }

  #pressed(button) {
    if (button.say) return this.#say(button.say);
    if (button.again) return this.connection.send(button.again);
    const frame = { type: "button", id: newId(), token: button.token, title: button.title };
    return this.#send(frame, this.view.addCustomer(button.title));
  }

  #send(frame, container) {
    this.view.announce(true);
    this.memory.touch();
    if (container) this.view.markSending(frame.id, container);
    this.connection.send(frame);
  }

  /** Links leave the page; the login brings the customer back to where they were. */
  #followed(event, link) {
    const url = new URL(link.href);
    if (url.pathname !== "/login" || url.searchParams.has("next")) return;
    event.preventDefault();
    url.searchParams.set("next", location.pathname + location.search);
    location.assign(url);
  }

  #count(text) {
    const used = text.length;
    const { limit } = this.config;
    this.counter.textContent = `${used} / ${limit.toLocaleString("en")}`;
    this.counter.setAttribute("aria-label", this.texts("counter", { used, limit }));
    const full = used >= limit;
    if (full && !("full" in this.counter.dataset)) this.status.textContent = this.texts("limit_reached", { limit });
    if (full) this.counter.dataset.full = "";
    else delete this.counter.dataset.full;
  }

  #closeWhenIdle() {
    if (this.state === "bot" && this.connection.running && this.memory.idleSince(this.config.idleSeconds))
      this.forget("idle");
  }
}
