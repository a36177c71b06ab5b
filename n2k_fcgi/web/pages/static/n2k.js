// The one script of the pages, which work without it: answers while one types, copying, lists of any length.
"use strict";
(() => {
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const fragment = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");
  root.classList.add("script");

  // --- copying

  const copied = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // over plain HTTP browsers have no clipboard
      const box = document.createElement("textarea");
      box.value = text;
      document.body.append(box);
      box.select();
      document.execCommand("copy");
      box.remove();
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (!button) return;
    const from = button.dataset.copyFrom;
    await copied(from ? one(from).textContent : button.dataset.copy);
    button.focus();
    button.classList.add("done");
    say(document.body.dataset.copied);
    setTimeout(() => button.classList.remove("done"), 2000);
  });

  const say = (text) => {
    const told = one("#told");
    if (told) told.textContent = text;
  };

  // --- the search

  const form = one("form[data-found]");
  if (form) {
    const box = one("textarea", form);
    let timer, running, shown = box.value.trim();
    box.setSelectionRange(box.value.length, box.value.length);

    const ask = async () => {
      clearTimeout(timer);
      const text = box.value.trim();
      if (text === shown || text.length > 2000) return;
      if (running) running.abort();  // at most one is on its way
      const mine = running = new AbortController();
      const fields = new URLSearchParams(new FormData(form));
      try {
        const address = new URL(form.dataset.found, location.href);
        fields.forEach((value, name) => address.searchParams.set(name, value));
        const answer = await fetch(address, { signal: mine.signal, headers: { Accept: "text/html" } });
        if (!answer.ok) return;
        const found = one("#found", await fragment(answer));
        one("#found").replaceWith(document.adoptNode(found));
        shown = text;
        say(one(".told", found)?.textContent.trim() ?? "");
        const here = new URL(form.action);
        if (text) fields.forEach((value, name) => here.searchParams.set(name, value));
        history.replaceState(null, "", here);
      } catch {  // a newer question, or no network: the button asks again
        return;
      } finally {
        if (running === mine) running = undefined;
      }
    };

    box.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, 200);
    });
    form.addEventListener("submit", () => {
      if (box.value.length > 2000) {  // longer than addresses may be: the page of lists takes it
        form.method = "post";
        form.action = form.dataset.lists;
        box.name = "names";
      }
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("textarea, input, select");
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "/" && !typing) {
        event.preventDefault();
        box.focus();
        box.select();
      } else if (event.key === "Escape" && one("#found").contains(event.target)) {
        box.focus();
      } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const links = all("#found a");
        const at = links.indexOf(event.target.closest("a"));
        const down = event.key === "ArrowDown";
        if (event.target === box ? !down || box.value.trim().includes("\n") : at < 0) return;
        const next = at + (down ? 1 : -1);
        if (next < links.length) {
          event.preventDefault();
          (links[next] ?? box).focus();
        }
      }
    });
  }

  // --- lists: longer ones in pieces, one after the other

  const lists = one("form[data-rows]");
  if (lists) {
    const most = Number(lists.dataset.most);
    const wide = 60000;  // bytes of a body: less than web servers take
    const longest = (entries) => {
      let size = 0, count = 0;
      while (count < Math.min(entries.length, most) && (count === 0 || size < wide)) size += encodeURIComponent(entries[count++]).length;
      return entries.slice(0, count);
    };

    // Ask for all entries, one answer after the other; take() returns how many an answer had. Returns whether all were answered.
    const inPieces = async (format, entries, take) => {
      const all = entries.length;
      while (entries.length) {
        const body = new URLSearchParams({ names: longest(entries).join("\n"), grid: one("select", lists).value, format });
        const answer = await fetch(lists.action, { method: "POST", body, headers: { Accept: "text/html, */*" } }).catch(() => undefined);
        const taken = answer?.ok ? await take(answer) : 0;
        if (!taken) {
          say(lists.dataset.failed);
          return false;
        }
        entries = entries.slice(taken);
        say(`${all - entries.length} / ${all} ${lists.dataset.unit}`);
      }
      return true;
    };

    const table = (entries) => {
      one("#table").replaceChildren();
      return inPieces("rows", entries, async (answer) => {
        const part = await fragment(answer);
        const rows = one("tbody", part);
        const bodies = all("#table tbody");
        if (bodies.length) bodies.at(-1).after(document.adoptNode(rows));
        else one("#table").append(document.adoptNode(one(".scroll", part)));
        return rows.rows.length;
      });
    };

    const csv = async (entries) => {
      const lines = [];
      const whole = await inPieces("csv", entries, async (answer) => {
        const [head, ...rows] = (await answer.text()).trimEnd().split("\r\n");
        if (!lines.length) lines.push(head);
        lines.push(...rows);
        return rows.length;
      });
      if (!whole) return;
      const save = document.createElement("a");
      save.href = URL.createObjectURL(new Blob([lines.join("\r\n"), "\r\n"], { type: "text/csv" }));
      save.download = "avatars.csv";
      save.click();
      URL.revokeObjectURL(save.href);
    };

    let busy = false;
    lists.addEventListener("submit", (event) => {
      const entries = one("textarea", lists).value.split(/[\r\n\t,;]+/).map((entry) => entry.trim()).filter(Boolean);
      const work = { html: table, csv }[event.submitter?.value ?? "html"];
      if (!busy && (!work || longest(entries).length === entries.length)) return;  // one answer has all of it
      event.preventDefault();
      if (busy) return;
      busy = true;
      work(entries).finally(() => { busy = false; });
    });
  }
})();
