// One call of the generated admin client: the installation's tenants.
import createClient from "openapi-fetch";
import type { paths } from "./generated/admin.js";

const [endpoint, token, wanted] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: `${endpoint}/admin/api/v1`, headers: { Authorization: `Bearer ${token}` } });
const { data, error } = await client.GET("/tenants");
if (error) throw new Error(`${error.status} ${error.code}: ${error.message}`);
const names: string[] = data.tenants.map((tenant) => tenant.id);
if (!names.includes(wanted!)) throw new Error(`${wanted} is not among ${names}`);
