// Says of each delivery on standard input, a JSON line with secret, headers, body and when it came, whether the official package verifies it.
import readline from 'node:readline';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

const now = Date.now;
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { secret, headers, body, came } = JSON.parse(line);
  // A delivery is verified as of the moment when it came.
  Date.now = () => came * 1000;
  let verified = true;
  try {
    new Webhook(secret).verify(body, headers);
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    verified = false;
  }
  Date.now = now;
  console.log(JSON.stringify({ verified }));
}
