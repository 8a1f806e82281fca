// The OpenAPI description as a page of forms.

const schema = await (await fetch("/openapi.json")).json();

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function field(name, told, required) {
  const kind = told.schema ?? told;
  let input;
  if (kind.enum) {
    input = element("select", {}, ...(required ? [] : [new Option("", "")]));
    for (const value of kind.enum) input.add(new Option(value, value));
  } else {
    input = element("input", { type: kind.format === "binary" ? "file" : "text" });
    input.placeholder = kind.default ?? "";
  }
  Object.assign(input, { name, required });
  const more = kind.description ?? told.description ?? "";
  return element("label", {}, element("span", {}, element("code", { textContent: name }),
    required ? " (required) " : " ", more), input);
}

async function send(event, path, method, told, output) {
  event.preventDefault();
  const given = new FormData(event.target);
  const body = new FormData();
  const query = new URLSearchParams();
  let address = path;
  for (const [name, value] of given) {
    const where = (told.parameters ?? []).find((one) => one.name === name)?.in;
    if (value === "" || (value instanceof File && !value.name)) continue;
    if (where === "path") address = address.replace(`{${name}}`, encodeURIComponent(value));
    else if (where === "query") value.split(/[\s,]+/).forEach((one) => query.append(name, one));
    else body.append(name, value);
  }
  output.replaceChildren("sending");
  const options = { method: method.toUpperCase() };
  if (told.requestBody) options.body = body;
  const answer = await fetch(query.size ? `${address}?${query}` : address, options);
  const kind = answer.headers.get("content-type") ?? "";
  output.replaceChildren(element("p", { textContent: `${answer.status} ${kind}` }));
  if (kind.startsWith("application/json")) {
    const text = JSON.stringify(await answer.json(), null, 1);
    output.append(element("pre", { textContent: text, tabIndex: 0 }));
  } else if (kind.startsWith("text/")) {
    output.append(element("pre", { textContent: await answer.text(), tabIndex: 0 }));
  } else if (answer.status !== 204) {
    const named = /filename="([^"]*)"/.exec(answer.headers.get("content-disposition") ?? "");
    const link = element("a", { textContent: "Save the file", download: named?.[1] ?? "result" });
    link.href = URL.createObjectURL(await answer.blob());
    output.append(link);
  }
}

function operation(path, method, told) {
  const title = element("summary", {}, element("code", { textContent: `${method.toUpperCase()} ${path}` }));
  const output = element("div", { role: "status" });
  const form = element("form");
  for (const one of told.parameters ?? []) form.append(field(one.name, one, one.required));
  for (const content of Object.values(told.requestBody?.content ?? {})) {
    for (const [name, kind] of Object.entries(content.schema.properties)) {
      form.append(field(name, kind, (content.schema.required ?? []).includes(name)));
    }
  }
  form.append(element("button", { textContent: "Send" }));
  form.addEventListener("submit", (event) => send(event, path, method, told, output));
  const answers = element("ul", {}, ...Object.entries(told.responses).map(([status, one]) =>
    element("li", { textContent: `${status}: ${one.description}` })));
  return element("details", { className: "operation" }, title,
    element("p", { textContent: told.description ?? "" }), form, output, answers);
}

for (const [path, methods] of Object.entries(schema.paths)) {
  for (const [method, told] of Object.entries(methods)) {
    document.getElementById("operations").append(operation(path, method, told));
  }
}
