// One call of the generated native client, typed from the document alone: the tenant's buckets.
import createClient from "openapi-fetch";
import type { paths } from "./generated/native.js";

const [endpoint, token, wanted] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: `${endpoint}/api/v1`, headers: { Authorization: `Bearer ${token}` } });
const { data, error } = await client.GET("/buckets");
if (error) throw new Error(`${error.status} ${error.code}: ${error.message}`);
const names: string[] = data.buckets.map((bucket) => bucket.name);
if (!names.includes(wanted!)) throw new Error(`${wanted} is not among ${names}`);
