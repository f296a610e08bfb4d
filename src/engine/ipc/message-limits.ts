/** A message to or from a handler is at most this long, as AWS Lambda's synchronous payload; bytes. */
export const maxMessageBytes = 6 * 1024 * 1024;
