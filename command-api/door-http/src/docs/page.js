// The reference: reads the OpenAPI document that lies beside it and lets each operation be tried. It loads nothing from elsewhere,
// and keeps the token in this page alone.
"use strict";

const el = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== undefined && child !== null));
  return node;
};

let api;
const resolve = (value) => {
  if (!value || !value.$ref) return value;
  return value.$ref.slice(2).split("/").reduce((at, piece) => at[piece], api);
};

// A value such as a schema describes, to begin a body with.
const example = (schema, depth = 0) => {
  schema = resolve(schema) ?? {};
  if (depth > 5) return null;
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return example(choices.find((choice) => choice.type !== "null") ?? choices[0], depth + 1);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => example(part, depth + 1)));
  const type = Array.isArray(schema.type) ? schema.type.find((type) => type !== "null") : schema.type;
  if (type === "object" || schema.properties) {
    const required = new Set(schema.required ?? []);
    const shown = Object.entries(schema.properties ?? {}).filter(([name]) => required.size === 0 || required.has(name));
    return Object.fromEntries(shown.map(([name, part]) => [name, example(part, depth + 1)]));
  }
  if (type === "array") return [example(schema.items, depth + 1)];
  if (type === "integer" || type === "number") return schema.minimum ?? 0;
  if (type === "boolean") return false;
  return schema.format === "date-time" ? "2030-01-01T00:00:00Z" : "";
};

// A schema in one line a field.
const fields = (schema, indent = "", depth = 0) => {
  schema = resolve(schema) ?? {};
  const parts = schema.allOf ? schema.allOf.map(resolve) : [schema];
  const lines = [];
  for (const part of parts) {
    const required = new Set(part.required ?? []);
    for (const [name, field] of Object.entries(part.properties ?? {})) {
      const full = resolve((field.oneOf ?? [field]).find((choice) => choice.type !== "null") ?? field) ?? {};
      const type = field.$ref ? "object" : [full.type ?? field.type ?? "any"].flat().join(" or ");
      const about = field.description ?? full.description ?? "";
      lines.push(`${indent}${name}${required.has(name) ? "" : "?"}: ${type}${about ? "  // " + about.replaceAll("\n", " ") : ""}`);
      const inner = full.items ? resolve(full.items) : full;
      if (depth < 3 && (inner.properties || inner.allOf)) lines.push(...fields(inner, indent + "  ", depth + 1));
    }
  }
  return lines;
};

// Slashes of a key stay as they are: the rest of the path is one key.
const filled = (path, wild, values) =>
  path.replace(/\{([^}]+)\}/g, (_, name) => {
    const escaped = encodeURIComponent(values[name] ?? "");
    return wild === name ? escaped.replaceAll("%2F", "/") : escaped;
  });

const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

const operation = (method, path, item) => {
  const parameters = (item.parameters ?? []).map(resolve);
  const inputs = parameters.map((parameter) => {
    const input = el("input", { placeholder: parameter.schema?.type ?? "", "aria-label": parameter.name, spellcheck: "false" });
    return { parameter, input };
  });
  const content = resolve(item.requestBody)?.content ?? {};
  const json = content["application/json"];
  const body = json
    ? el("textarea", { spellcheck: "false", "aria-label": "Body" }, JSON.stringify(example(json.schema), null, 2))
    : content["application/octet-stream"] && el("input", { type: "file", "aria-label": "Body" });
  const wild = item["x-holdfast-shown-path"] ? parameters.filter((one) => one.in === "path").at(-1)?.name : undefined;
  const open = Array.isArray(item.security) && item.security.length === 0;

  const request = () => {
    const of = (place) => inputs.filter(({ parameter, input }) => parameter.in === place && input.value !== "");
    const values = Object.fromEntries(of("path").map(({ parameter, input }) => [parameter.name, input.value]));
    const query = new URLSearchParams(of("query").map(({ parameter, input }) => [parameter.name, input.value])).toString();
    const headers = Object.fromEntries(of("header").map(({ parameter, input }) => [parameter.name, input.value]));
    const token = document.getElementById("token").value;
    if (!open && token) headers.Authorization = "Bearer " + token;
    const sent = json ? body.value.trim() : body?.files?.[0];
    if (json && sent) headers["Content-Type"] = "application/json";
    const url = new URL(api.servers[0].url + filled(path, wild, values) + (query ? "?" + query : ""), location.origin);
    return { url, headers, sent: method === "get" || method === "head" ? undefined : sent || undefined };
  };

  const shown = el("pre", { hidden: true });
  const show = (text) => {
    shown.hidden = false;
    shown.textContent = text;
  };
  const send = async () => {
    const { url, headers, sent } = request();
    show("…");
    try {
      const answer = await fetch(url, { method: method.toUpperCase(), headers, body: sent });
      const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      let text = await answer.text();
      try {
        text = JSON.stringify(JSON.parse(text), null, 2);
      } catch {
        text = text.slice(0, 20000);
      }
      show(`${answer.status} ${answer.statusText}\n${head}\n\n${text}`);
    } catch (error) {
      show(String(error));
    }
  };
  const curl = () => {
    const { url, headers, sent } = request();
    const said = Object.entries(headers).map(([name, value]) => {
      const safe = name === "Authorization" ? "Bearer $TOKEN" : value;
      return name === "Authorization" ? ` \\\n  -H "${name}: ${safe}"` : ` \\\n  -H ${quoted(`${name}: ${safe}`)}`;
    });
    const data = json && sent ? ` \\\n  -d ${quoted(sent)}` : body && !json ? " \\\n  -T FILE" : "";
    show(`curl -X ${method.toUpperCase()} ${quoted(url.href)}${said.join("")}${data}`);
  };

  const rows = inputs.map(({ parameter, input }) =>
    el("tr", {},
      el("td", {}, parameter.name, parameter.required ? el("span", { class: "required", title: "required" }, " *") : ""),
      el("td", {}, el("small", {}, parameter.in)),
      el("td", { class: "asked" }, input),
      el("td", {}, parameter.description ?? "")));
  const answers = Object.entries(item.responses ?? {}).map(([status, answer]) => {
    const full = resolve(answer);
    const schema = Object.values(full.content ?? {})[0]?.schema;
    const lines = schema && status < 300 ? fields(schema) : [];
    return el("tr", {}, el("td", {}, status), el("td", {}, full.description, lines.length ? el("pre", {}, lines.join("\n")) : ""));
  });
  const bodyFields = json ? fields(json.schema) : [];
  return el("details", { id: item.operationId },
    el("summary", {},
      el("span", { class: "method" }, method.toUpperCase()), el("code", {}, item["x-holdfast-shown-path"] ?? path),
      el("span", {}, item.summary)),
    el("div", { class: "inside" },
      item.description ? el("p", {}, item.description) : "",
      rows.length ? el("h3", {}, "Parameters") : "", rows.length ? el("table", {}, ...rows) : "",
      body ? el("h3", {}, "Body") : "", body ?? "", bodyFields.length ? el("pre", {}, bodyFields.join("\n")) : "",
      el("button", { class: "send", onclick: send }, "Send"), el("button", { onclick: curl }, "curl"), shown,
      el("h3", {}, "Answers"), el("table", {}, ...answers)));
};

const draw = () => {
  document.title = api.info.title;
  document.getElementById("title").textContent = api.info.title;
  const main = document.getElementById("operations");
  const contents = el("div");
  main.replaceChildren(el("p", { class: "soft" }, api.info.description));
  for (const tag of api.tags) {
    const found = Object.entries(api.paths).flatMap(([path, item]) =>
      Object.entries(item).filter(([, one]) => one.tags?.includes(tag.name)).map(([method, one]) => ({ path, method, one })));
    if (found.length === 0) continue;
    contents.append(el("strong", {}, tag.name), ...found.map(({ one }) => el("a", { href: "#" + one.operationId }, one.summary)));
    main.append(el("section", {}, el("h2", {}, tag.name), el("p", { class: "soft" }, tag.description),
      ...found.map(({ path, method, one }) => operation(method, path, one))));
  }
  document.getElementById("contents").replaceChildren(contents);
  const opened = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", opened);
  opened();
  document.getElementById("filter").addEventListener("input", ({ target }) => {
    const wanted = target.value.toLowerCase();
    for (const one of document.querySelectorAll("details")) {
      one.hidden = !one.querySelector("summary").textContent.toLowerCase().includes(wanted) && !one.id.toLowerCase().includes(wanted);
    }
  });
};

// The document lies beside the API, which is not always beside this page.
const source = document.querySelector("meta[name=openapi]")?.content ?? "openapi.json";
fetch(source).then((answer) => answer.json()).then((document) => {
  api = document;
  draw();
}).catch((error) => {
  document.getElementById("operations").textContent = "The OpenAPI document could not be read: " + error;
});
