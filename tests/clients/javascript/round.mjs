// The AWS SDK for JavaScript, version 3, with nothing set but endpoint, region and credentials (which the environment names).
//
// usage: node round.mjs BUCKET FILE. Ends with 1 and says what differed at the first thing that is not as expected.

import assert from "node:assert/strict";
import { createReadStream, readFileSync } from "node:fs";
import * as sdk from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";

const [Bucket, file] = process.argv.slice(2);
const content = readFileSync(file);
const s3 = new sdk.S3Client({ endpoint: process.env.AWS_ENDPOINT_URL, region: process.env.AWS_REGION });
const send = (name, input) => s3.send(new sdk[`${name}Command`]({ Bucket, ...input }));
const bytes = async (input) => Buffer.from(await (await send("GetObject", input)).Body.transformToByteArray());
const refused = (name, input, code) =>
  assert.rejects(send(name, input), (error) => error.name === code || assert.fail(`${name} was refused with ${error.name}, not ${code}: ${error}`));

const rounds = {
  async objects() {
    const put = await send("PutObject", { Key: "a b/ü+%", Body: "hello", Metadata: { color: "blue" }, ContentType: "text/x" });
    const got = await send("GetObject", { Key: "a b/ü+%" });
    assert.equal(await got.Body.transformToString(), "hello");
    assert.deepEqual([got.ETag, got.Metadata, got.ContentType, got.ChecksumCRC32], [put.ETag, { color: "blue" }, "text/x", put.ChecksumCRC32]);
    await send("CopyObject", { Key: "copy", CopySource: encodeURI(`${Bucket}/a b/ü`).replace(/$/, "%2B%25") });
    assert.equal((await bytes({ Key: "copy" })).toString(), "hello");
    assert.equal((await bytes({ Key: "copy", Range: "bytes=1-3" })).toString(), "ell");
    await refused("GetObject", { Key: "none" }, "NoSuchKey");
    await refused("HeadObject", { Key: "none" }, "NotFound");
    await refused("PutObject", { Key: "copy", Body: "x", IfNoneMatch: "*" }, "PreconditionFailed");
    await send("PutObject", { Key: "copy", Body: "changed", IfMatch: put.ETag });
    await refused("PutObject", { Key: "copy", Body: "x", IfMatch: put.ETag }, "PreconditionFailed");
    for (const algorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
      const made = await send("PutObject", { Key: algorithm, Body: content, ChecksumAlgorithm: algorithm });
      const told = await send("HeadObject", { Key: algorithm, ChecksumMode: "ENABLED" });
      assert.ok(made[`Checksum${algorithm}`] && made[`Checksum${algorithm}`] === told[`Checksum${algorithm}`], algorithm);
      assert.ok(content.equals(await bytes({ Key: algorithm, ChecksumMode: "ENABLED" })), algorithm);
    }
  },

  async uploads() {
    const stream = new Upload({ client: s3, params: { Bucket, Key: "stream", Body: createReadStream(file) }, partSize: 5 << 20 });
    assert.match((await stream.done()).ETag, new RegExp(`-${Math.ceil(content.length / (5 << 20))}"$`));
    assert.ok(content.equals(await bytes({ Key: "stream" })), "a stream in parts came back otherwise");
    await send("PutObject", { Key: "trailer", Body: createReadStream(file), ContentLength: content.length });
    assert.ok(content.equals(await bytes({ Key: "trailer" })), "a stream with its checksum after it came back otherwise");
    const { UploadId } = await send("CreateMultipartUpload", { Key: "given up" });
    await send("UploadPart", { Key: "given up", UploadId, PartNumber: 1, Body: content.subarray(0, 5 << 20) });
    assert.equal((await send("ListParts", { Key: "given up", UploadId })).Parts.length, 1);
    await send("AbortMultipartUpload", { Key: "given up", UploadId });
    await refused("ListParts", { Key: "given up", UploadId }, "NoSuchUpload");
  },

  async listings() {
    const keys = Array.from({ length: 1050 }, (_, index) => `many/${String(index).padStart(4, "0")}`);
    for (let at = 0; at < keys.length; at += 25) await Promise.all(keys.slice(at, at + 25).map((Key) => send("PutObject", { Key, Body: "" })));
    const listed = [];
    for await (const page of sdk.paginateListObjectsV2({ client: s3 }, { Bucket, Prefix: "many/" })) listed.push(...page.Contents.map((entry) => entry.Key));
    assert.deepEqual(listed, keys);
    const grouped = await send("ListObjectsV2", { Delimiter: "/" });
    assert.ok(grouped.CommonPrefixes.some((entry) => entry.Prefix === "many/") && !grouped.Contents?.some((entry) => entry.Key.startsWith("many/")));
    const deleted = await send("DeleteObjects", { Delete: { Objects: keys.slice(0, 1000).map((Key) => ({ Key })) } });
    assert.equal(deleted.Deleted.length, 1000);
    assert.equal((await send("ListObjectsV2", { Prefix: "many/" })).KeyCount, 50);
  },

  async addresses() {
    const put = await getSignedUrl(s3, new sdk.PutObjectCommand({ Bucket, Key: "by address" }));
    assert.equal((await fetch(put, { method: "PUT", body: "from a browser" })).status, 200);
    const get = await getSignedUrl(s3, new sdk.GetObjectCommand({ Bucket, Key: "by address" }));
    assert.equal(await (await fetch(get)).text(), "from a browser");
    assert.equal((await fetch(get.replace("by%20address", "other"))).status, 403);
  },

  async versions() {
    await send("PutBucketVersioning", { VersioningConfiguration: { Status: "Enabled" } });
    const ids = [];
    for (const Body of ["one", "two"]) ids.push((await send("PutObject", { Key: "v", Body })).VersionId);
    assert.equal((await send("DeleteObject", { Key: "v" })).DeleteMarker, true);
    const listed = await send("ListObjectVersions", { Prefix: "v" });
    assert.deepEqual(listed.Versions.map((entry) => entry.VersionId), ids.reverse());
    assert.equal(listed.DeleteMarkers.length, 1);
    assert.equal((await bytes({ Key: "v", VersionId: ids[1] })).toString(), "one");
  },

  async form() {
    const { url, fields } = await createPresignedPost(s3, { Bucket, Key: "in a form", Conditions: [["content-length-range", 1, 20]] });
    for (const [text, status] of [["x".repeat(21), 400], ["from a form", 204]]) {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      form.append("file", new Blob([text]));
      const answer = await fetch(url, { method: "POST", body: form });
      assert.equal(answer.status, status, await answer.text());
    }
    assert.equal((await bytes({ Key: "in a form" })).toString(), "from a form");
  },
};

await send("CreateBucket", {});
for (const name of process.argv.slice(4)) await rounds[name]();
