// One script tag puts the chat on a page: the bubble and an empty panel; the chat is fetched when it is first opened.
//   <script src="/static/js/loader.js" defer data-idle-seconds="1800" ...></script>
(() => {
  "use strict";
  const script = document.currentScript;
  const file = (path) => new URL(path, script.src).href;
  const data = script.dataset;
  const config = {
    origin: new URL(script.src).origin,
    limit: Number(data.maxCharacters) || 2000,
    idleSeconds: Number(data.idleSeconds) || 1800,
    officeHours: data.officeHours ?? "",
    timezone: data.timezone ?? "",
  };
  const SHELL = `
    <button class="bubble" type="button" aria-expanded="false" aria-controls="panel">
      <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linejoin="round" aria-hidden="true">
        <path d="M4 5h16v11H11l-5 4v-4H4z"/><path d="M8 9.5h8M8 12.5h5" stroke-linecap="round"/>
      </svg>
      <span class="bubble-text"></span><span class="badge" aria-hidden="true" hidden></span>
    </button>
    <section class="panel" id="panel" role="dialog" hidden>
      <header class="head">
        <img alt="" width="34" height="34">
        <div class="names"><h2 class="title"></h2><p class="subtitle"></p></div>
        <button class="person" type="button"></button>
        <button class="close" type="button">
          <svg viewBox="0 0 18 18" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" aria-hidden="true">
            <path d="m3 3 12 12M15 3 3 15"/>
          </svg>
        </button>
      </header>
      <div class="banner" role="status" hidden><p></p></div>
      <div class="chat"></div>
      <div class="foot"><p class="privacy"></p><p class="counter"></p></div>
      <p class="status visually-hidden" role="status"></p>
    </section>`;

  const host = document.createElement("div");
  host.id = "teller-chat";
  const root = host.attachShadow({ mode: "open" });
  const sheet = document.createElement("link");
  sheet.rel = "stylesheet";
  sheet.href = file("../css/widget.css");
  const shell = document.createElement("template");
  shell.innerHTML = SHELL;
  root.append(sheet, shell.content);
  const part = (name) => root.querySelector(`.${name}`);
  const [bubble, panel, badge] = ["bubble", "panel", "badge"].map(part);
  part("head").querySelector("img").src = file("../img/mark.svg");
  const phone = matchMedia("(max-width: 480px)");

  let texts, memory, chat, starting;
  let unread = 0;

  function showTexts() {
    part("bubble-text").textContent = texts("bubble");
    bubble.setAttribute("aria-label", unread ? texts("bubble_unread", { count: unread }) : texts("bubble"));
    badge.hidden = !unread;
    badge.textContent = unread;
    panel.setAttribute("aria-label", texts("panel"));
    part("title").textContent = texts("title");
    part("subtitle").textContent = texts("subtitle.bot");
    part("person").textContent = texts("person");
    part("close").setAttribute("aria-label", texts("close"));
    part("privacy").textContent = texts("privacy");
  }

  async function setLanguage(language) {
    const { languageOf, loadTexts } = await import(file("i18n.js"));
    texts = await loadTexts(language);
    host.lang = languageOf(language) === "zh" ? "zh-CN" : "en";
    showTexts();
    chat?.setTexts(texts);
  }

  async function startChat() {
    const { Chat } = await import(file("chat.js"));
    const parts = Object.fromEntries(
      ["chat", "banner", "subtitle", "status", "counter", "person"].map((name) => [name, part(name)]),
    );
    const made = new Chat({
      ...parts,
      memory,
      config,
      texts,
      unread: () => {
        if (!panel.hidden) return;
        unread += 1;
        showTexts();
      },
    });
    await made.start();
    chat = made;
    if (texts !== made.texts) made.setTexts(texts); // the language changed while it was loading
  }

  /** On a phone the panel covers the page, so the page behind must not take the focus. */
  function coverPage() {
    const covered = !panel.hidden && phone.matches;
    for (const element of document.body.children) if (element !== host) element.inert = covered;
  }

  async function open({ focus = true } = {}) {
    panel.hidden = false;
    bubble.hidden = true;
    bubble.setAttribute("aria-expanded", "true");
    unread = 0;
    showTexts();
    coverPage();
    memory.save({ open: true });
    if (focus) part("close").focus({ preventScroll: true }); // at once; the text field takes over when it is there
    starting ??= startChat();
    try {
      await starting;
    } catch (error) {
      starting = null; // the next opening tries again
      part("banner").hidden = false;
      part("banner").firstElementChild.textContent = texts("error.session");
      throw error;
    }
    if (focus && !panel.hidden) chat.focus();
  }

  function close() {
    panel.hidden = true;
    bubble.hidden = false;
    bubble.setAttribute("aria-expanded", "false");
    coverPage();
    memory.save({ open: false });
    bubble.focus({ preventScroll: true });
  }

  async function begin() {
    const { Memory, announceLogout } = await import(file("session.js"));
    memory = new Memory();
    // The page says nobody is logged in, the memory is of somebody: they logged out elsewhere or their session ran out.
    if ("customer" in data && !data.customer && memory.state.customer) memory.forget();
    if (memory.idleSince(config.idleSeconds)) memory.forget();
    await setLanguage(document.documentElement.dataset.language ?? document.documentElement.lang);
    document.addEventListener("teller:language", (event) => setLanguage(event.detail));
    document.addEventListener("teller:open", () => open());
    document.addEventListener("teller:logout", () => {
      chat?.stop();
      memory.forget();
      memory.save({ open: false });
      announceLogout();
    });
    bubble.addEventListener("click", () => open());
    part("close").addEventListener("click", close);
    part("person").addEventListener("click", () => starting?.then(() => chat.askForPerson()));
    panel.addEventListener("keydown", (event) => event.key === "Escape" && !event.isComposing && close());
    phone.addEventListener("change", coverPage);
    document.body.append(host);
    if (memory.state.open) await open({ focus: false });
  }

  begin();
})();
