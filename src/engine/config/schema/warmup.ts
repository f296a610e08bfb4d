/** One entry of `warmup`: a request that the function answers before its snapshot is made. */
import { z } from "zod";
import { oneOf, rule } from "../fields.ts";
import { httpPath } from "./values.ts";

const headerText = z.string(rule("a text")).regex(/^[\x20-\x7e\t]*$/, rule("one line of plain ASCII text"));

const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, rule("a header name"));

/** One HTTP request sent before the snapshot is made. */
export const warmupSchema = z.strictObject(
  {
    method: z
      .string(rule("an HTTP method such as GET"))
      .regex(/^[A-Z]{1,16}$/, rule("an HTTP method in capitals, such as GET"))
      .default("GET")
      .describe("HTTP method, in capitals."),
    path: httpPath.describe("Path of the request, with its query."),
    headers: z
      .record(headerName, headerText, rule("a mapping of header names to texts"))
      .default({})
      .describe("Headers of the request. Never printed."),
    body: z.string(rule("a text")).optional().describe("Body of the request. Never printed."),
    compare: oneOf(["answer", "status"])
      .default("answer")
      .describe(
        "What a copy restored from the fresh snapshot must answer as the function did before it: the whole `answer` (status, headers except Date, body), or only its `status`, where answers change from request to request.",
      ),
    ignore_headers: z
      .array(headerName, rule("a list of header names"))
      .default([])
      .describe("Headers of the answer that may differ, such as a request id.")
      .meta({ examples: [["X-Request-Id"]] }),
  },
  rule("a request: a mapping with path, and optionally method, headers, body, compare, ignore_headers"),
);
