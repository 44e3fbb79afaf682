// The conversation on screen: deep-chat draws it; this file feeds it sanitised HTML and names for screen readers.
import "/vendor/deep-chat/dist/deepChat.bundle.js";
import { escapeHtml, ownPath, renderPlain, renderReply } from "./render.js";

// deep-chat would render what a customer types as markdown, pictures included. Its plug-in hook turns that off.
const asPlainText = {
  plugin: (markdown) => {
    markdown.core.ruler.enable(["block", "inline"], true); // true: these and no others
    markdown.block.ruler.enable(["paragraph"], true);
    markdown.inline.ruler.enable(["text", "newline"], true);
  },
};

const SENDING_SHOWN_AFTER = 1500;

/** On a slow machine deep-chat draws itself twice; what was put into its first drawing would be lost. */
async function settled(root) {
  let drawn;
  do {
    drawn = root.getElementById("messages");
    await new Promise((resolve) => setTimeout(resolve, 30));
  } while (drawn !== root.getElementById("messages"));
}

export class View {
  /** @param {object} listeners  submit(text), press(button), input(text) */
  constructor(listeners) {
    this.listeners = listeners;
    this.texts = null;
    this.typing = false;
    this.waiting = new Map(); // message id -> its bubble's container
  }

  async mount(parent, { limit, texts }) {
    const style = await fetch(new URL("../css/chat.css", import.meta.url));
    if (!style.ok) throw new Error(`chat.css: ${style.status}`);
    const css = await style.text();
    this.texts = texts;
    // deep-chat draws itself in a timer after its creation: from here to append() nothing may be awaited.
    const chat = document.createElement("deep-chat");
    // Without a font of ours deep-chat asks a third party for one.
    Object.assign(chat.style, {
      fontFamily: "inherit",
      width: "100%",
      height: "100%",
      border: "0",
      borderRadius: "0",
      backgroundColor: "transparent",
    });
    chat.auxiliaryStyle = css;
    chat.remarkable = { breaks: true };
    chat.displayLoadingBubble = { toggle: () => {} };
    chat.textInput = { characterLimit: limit, placeholder: { text: texts("placeholder") } };
    chat.connect = {
      websocket: true,
      handler: (_, signals) => {
        signals.onOpen(); // writing is always possible: the connection keeps what cannot be sent yet
        signals.newUserMessage.listener = (body) =>
          this.listeners.submit(body.messages.at(-1).text ?? "", this.#lastOfCustomer());
      },
    };
    chat.onInput = ({ content }) => this.listeners.input(content.text ?? "");
    const plugins = (window.remarkable_plugins ??= []);
    plugins.push(asPlainText);
    const rendered = new Promise((resolve) => (chat.onComponentRender = resolve));
    parent.append(chat);
    await rendered;
    await settled(chat.shadowRoot);
    plugins.splice(plugins.indexOf(asPlainText), 1); // another deep-chat on the bank's page keeps its markdown
    this.chat = chat;
    this.root = chat.shadowRoot;
    this.log = this.root.getElementById("messages");
    this.#nameThings();
    this.root.addEventListener("click", (event) => this.#clicked(event));
  }

  #nameThings() {
    const log = this.log;
    log.setAttribute("role", "log");
    log.setAttribute("aria-live", "off"); // on from the first new message; reading a whole history aloud helps nobody
    log.tabIndex = 0; // scrolled by keyboard
    const input = this.root.getElementById("text-input");
    input.setAttribute("aria-multiline", "true");
    const send = this.root.querySelector(".input-button");
    send.addEventListener("keydown", (event) => {
      if (event.key !== " ") return;
      event.preventDefault();
      send.click();
    });
    this.input = input;
    this.sendButton = send;
    this.setTexts(this.texts);
  }

  setTexts(texts) {
    this.texts = texts;
    this.chat.setPlaceholderText(texts("placeholder"));
    this.log.setAttribute("aria-label", texts("log"));
    this.input.setAttribute("aria-label", texts("placeholder"));
    this.sendButton.setAttribute("aria-label", texts("send"));
    for (const element of this.root.querySelectorAll("[data-text]"))
      element.textContent = texts(element.dataset.text);
  }

  /** New messages are read aloud from here on. */
  announce(on) {
    this.log.setAttribute("aria-live", on ? "polite" : "off");
  }

  focus() {
    this.input.focus();
  }

  write(text) {
    this.input.textContent = text;
    this.input.dispatchEvent(new InputEvent("input", { bubbles: true }));
  }

  clear() {
    this.setTyping(false);
    this.waiting.clear();
    this.chat.clearMessages(true);
  }

  setTyping(on) {
    if (on === this.typing) return;
    this.typing = on;
    this.chat.displayLoadingBubble.toggle(on ? { role: "ai" } : undefined);
    if (on) this.#last()?.setAttribute("aria-hidden", "true"); // said by the panel's status line instead
    this.chat.scrollToBottom();
  }

  /** @returns {HTMLElement} the new bubble's container */
  addCustomer(text) {
    return this.#add("user", `<div class="body">${renderPlain(text)}</div>`);
  }

  /** @param {object} reply  as it comes from the gateway; `live`: its token buttons may still be pressed */
  addReply(reply, { live = true, intro = false } = {}) {
    const from = ["bot", "agent", "system"].includes(reply.from) ? reply.from : "bot";
    const visible = from === "agent" ? "author" : "visually-hidden";
    const name = escapeHtml(this.texts(`from.${from}`));
    const author = `<span class="${visible}" data-text="from.${from}">${name}</span>`;
    const container = this.#add(
      from === "agent" ? "agent" : "ai",
      `${author}<div class="body">${renderReply(reply.text)}</div>`,
    );
    const bubble = container.querySelector(".message-bubble");
    bubble.classList.add(`from-${from}`);
    if (reply.language) bubble.querySelector(".body").lang = reply.language === "zh" ? "zh-CN" : "en";
    if (reply.error) bubble.classList.add("error");
    if (intro) container.dataset.intro = "";
    const buttons = (reply.buttons ?? []).map((button) => this.#button(button, live)).filter(Boolean);
    if (buttons.length) bubble.append(this.#element("div", "buttons", buttons));
    if (reply.source) {
      const line = this.#element("p", "source");
      line.textContent = this.texts("source", reply.source);
      bubble.append(line);
    }
    this.chat.scrollToBottom();
    return container;
  }

  #button(button, live) {
    if (button.url !== undefined) {
      const path = ownPath(button.url);
      if (!path) return null;
      const link = this.#element("a", "");
      link.href = path;
      link.textContent = button.title;
      return link;
    }
    const element = this.#element("button", "");
    element.type = "button";
    element.textContent = button.title;
    element.disabled = !live;
    element.press = button;
    return element;
  }

  #clicked(event) {
    const link = event.target.closest("a");
    if (link) return this.listeners.follow(event, link);
    const pressed = event.target.closest(".buttons button");
    if (!pressed || pressed.disabled) return undefined;
    if (!pressed.press.keep) {
      for (const sibling of pressed.parentElement.children) if (sibling.press) sibling.disabled = true;
      pressed.dataset.chosen = "";
      this.focus(); // a disabled button loses the focus, which would send a keyboard user back to the page's top
    }
    return this.listeners.press(pressed.press);
  }

  /** Shows that a message has not arrived yet, unless it does so soon. */
  markSending(id, container) {
    this.waiting.set(id, container);
    setTimeout(() => {
      if (this.waiting.get(id) !== container || container.querySelector(".delivery")) return;
      const line = this.#element("span", "delivery");
      line.dataset.text = "sending";
      line.textContent = this.texts("sending");
      container.querySelector(".inner-message-container").append(line);
      this.chat.scrollToBottom();
    }, SENDING_SHOWN_AFTER);
  }

  markArrived(id) {
    this.waiting.get(id)?.querySelector(".delivery")?.remove();
    this.waiting.delete(id);
  }

  #add(role, html) {
    this.chat.addMessage({ role, html });
    const container = role === "user" ? this.#lastOfCustomer() : this.#last();
    this.chat.scrollToBottom();
    return container;
  }

  #last() {
    const all = [...this.root.querySelectorAll(".outer-message-container")];
    return (
      all.filter((one) => this.typing === false || !one.querySelector(".deep-chat-loading-message-bubble")).at(-1) ??
      all.at(-1)
    );
  }

  #lastOfCustomer() {
    const container = [...this.root.querySelectorAll(".outer-message-container:has(.user-message-text)")].at(-1);
    if (container && !container.querySelector("[data-text='you']")) {
      const you = this.#element("span", "visually-hidden");
      you.dataset.text = "you";
      you.textContent = this.texts("you");
      container.querySelector(".message-bubble").prepend(you);
    }
    return container;
  }

  #element(tag, className, children = []) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }
}
