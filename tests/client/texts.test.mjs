// What the inbox says: English, German and Spanish are shipped, and each is whole.
import assert from "node:assert/strict";
import { test } from "node:test";
import { textsFor } from "../../notify_sse/client/src/inbox/texts.js";

const en = textsFor("en");

for (const [language, title] of [
  ["de-AT", "Mitteilungen"],
  ["es", "Notificaciones"],
  ["ES-mx", "Notificaciones"],
])
  test(`in ${language} every text is there, with its placeholders, and is not the English one`, () => {
    const texts = textsFor(language);
    assert.equal(texts.title, title);
    assert.deepEqual(Object.keys(texts).sort(), Object.keys(en).sort());
    for (const [name, text] of Object.entries(texts)) {
      assert.notEqual(text, en[name], name);
      assert.deepEqual(text.match(/{\w+}/g), en[name].match(/{\w+}/g), name);
    }
  });

test("a language that is not shipped is English", () => assert.equal(textsFor("fr-CA"), en));
