// Who sits at the console: a user with a password, or a token. Kept until the window is closed, never longer.

const KEY = "proof";
let asking = null;

/** The header to show, if any. */
export function proof() {
  try { return sessionStorage.getItem(KEY); } catch { return null; }
}

function keep(value) {
  try { sessionStorage.setItem(KEY, value); } catch { /* Without storage it is asked again. */ }
}

/** UTF-8 in base64, as a basic header has it. */
const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

function field(name, label, type, complete) {
  const input = document.createElement("input");
  Object.assign(input, { name, type, autocomplete: complete, spellcheck: false });
  const line = document.createElement("label");
  line.append(label, " ", input);
  const row = document.createElement("p");
  row.append(line);
  return { row, input };
}

function ask(again) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    dialog.id = "login";
    const form = document.createElement("form");
    form.method = "dialog";
    const title = document.createElement("h2");
    title.textContent = again ? "That was not right" : "Log in";
    const user = field("user", "User", "text", "username");
    const password = field("password", "Password", "password", "current-password");
    const token = field("token", "or a token", "password", "off");
    const enter = document.createElement("button");
    Object.assign(enter, { type: "submit", value: "enter", className: "main", textContent: "Log in" });
    const row = document.createElement("div");
    row.className = "row";
    row.append(enter);
    form.append(title, user.row, password.row, token.row, row);
    dialog.append(form);
    dialog.onclose = () => {
      const bearer = token.input.value.trim().replace(/^bearer\s+/i, "");
      const entered = dialog.returnValue === "enter" && (bearer || user.input.value);
      if (entered) keep(bearer ? `Bearer ${bearer}` : `Basic ${encoded(`${user.input.value}:${password.input.value}`)}`);
      dialog.remove();
      resolve(Boolean(entered));
    };
    document.body.append(dialog);
    dialog.showModal();
    user.input.focus();
  });
}

/** Asks, once for every request that waits; false where nobody wants to say. */
export function login(again) {
  asking ??= ask(again).finally(() => { asking = null; });
  return asking;
}
