// Calls the service through openapi-fetch with the types of openapi-typescript, without a cast.
// node client.js ADDRESS SEVEN NUMBER DOCUMENT: the files are pictures of 7 and of 72, and a TIFF of three pages.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Problem = components["schemas"]["Problem"];

const [baseUrl = "", ...files] = process.argv.slice(2);
const [seven, number, pages] = await Promise.all(files.map((file) => readFile(file)));
assert(seven && number && pages);
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl });
const encoded = { image: seven.toString("base64") };

// The types have strings for files: names stand for them, and `bodySerializer` returns what is sent.
const sent = (field: string, ...pictures: Buffer<ArrayBuffer>[]) => () => {
  const form = new FormData();
  pictures.forEach((picture, index) => form.append(field, new Blob([picture]), `${index}.png`));
  return form;
};
const asForm = (picture: Buffer<ArrayBuffer>) => ({ body: { file: "0.png" }, bodySerializer: sent("file", picture) });
const asBody = (picture: Buffer<ArrayBuffer>) => ({
  body: "0.png",
  bodySerializer: () => picture,
  headers: { "Content-Type": "application/octet-stream" },
});

function answerOf<Answer>(result: { data?: Answer; error?: Problem }): Answer {
  assert(result.data !== undefined, result.error?.detail);
  return result.data;
}

const health = answerOf(await client.GET("/health"));
const live: "ok" = answerOf(await client.GET("/health/live")).status;
const version: string = health.models.digits.version;
assert.equal(live, health.status);
assert.match(answerOf(await client.GET("/metrics", { parseAs: "text" })), /digits_requests_total/);

for (const request of [asForm(seven), asBody(seven), { body: encoded }]) {
  const prediction = answerOf(await client.POST("/predict", { ...request, params: { query: { frame: true } } }));
  const digit: number = prediction.digit;
  const frame: string | undefined = prediction.frame;
  assert.equal(digit, 7);
  assert.equal(prediction.probabilities.length, 10);
  assert(frame?.startsWith("data:image/png;base64,"));
  assert(prediction.box && prediction.box.height > prediction.box.width);
}
assert.equal(answerOf(await client.POST("/predict", { body: encoded })).box, undefined);

const batch = { body: { files: ["0.png", "1.png"] }, bodySerializer: sent("files", seven, Buffer.from("no picture")) };
const [good, bad] = answerOf(await client.POST("/predict/batch", batch)).results;
assert(good && "digit" in good && bad && "error" in bad);
assert.deepEqual([good.digit, bad.error.type], [7, "/problems/not-an-image"]);

const explanation = answerOf(await client.POST("/explain", { body: encoded }));
assert(explanation.layers[0]?.picture && explanation.ink && explanation.box.width > 0);
assert(answerOf(await client.GET("/explain/units/{unit}", { params: { path: { unit: 0 } } })).weights);

for (const request of [asForm(number), asBody(number)]) {
  const text = answerOf(await client.POST("/read", { ...request, params: { query: { length: 2, rotate: "auto" } } }));
  assert("lines" in text);
  assert.deepEqual([text.text, text.lines[0]?.digits.map((each) => each.digit)], ["72", [7, 2]]);
  assert.equal(text.lines[0]?.alternatives, undefined);
}
const document = answerOf(await client.POST("/read", asBody(pages)));
assert("pages" in document);
const read = document.pages.map((page) => ("error" in page ? page.error.type : page.lines[0]?.text));
assert.deepEqual(read, ["72", "/problems/corrupt-image", "72"]);

const unsure = await client.POST("/read", { ...asForm(number), params: { query: { min_confidence: 1 } } });
assert.deepEqual([unsure.error?.type, unsure.error?.status], ["/problems/not-sure", 422]);
const reading = unsure.error?.reading;
assert(reading && "lines" in reading && reading.text === "72");
const off = await client.POST("/corrections", { body: encoded, params: { query: { label: "7" } } });
assert.deepEqual([off.response.status, off.error?.type], [404, "/problems/corrections-off"]);

const inputs: components["schemas"]["InferInput"][] = [
  { name: "picture", shape: [1], datatype: "BYTES", parameters: { content_type: "base64" }, data: [encoded.image] },
];
const inference = answerOf(await client.POST("/v2/models/digits/infer", { body: { inputs, outputs: [{ name: "digit" }] } }));
assert.deepEqual(inference.outputs[0]?.data, [7]);
const metadata = answerOf(await client.GET("/v2/models/digits"));
assert.deepEqual([metadata.versions, metadata.inputs.length], [[version], 2]);

// What the types refuse.
// @ts-expect-error a parameter has a type
await client.POST("/read", { body: encoded, params: { query: { rotate: "left" } } });
// @ts-expect-error a body is required
await client.POST("/predict");
// @ts-expect-error a label is required
await client.POST("/corrections", { body: encoded });
