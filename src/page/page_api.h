// SPDX-License-Identifier: Apache-2.0
// What the status page serves, and to whom: docs/status-page.md.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/message.h"

namespace flannel::page {

enum class Call {
  file,    // the page itself, its style or its script: without anything of this network
  status,  // the three others have data of this network
  peers,
  events,
};

// Returns the call of this request, or the answer that refuses it: 405 if it is neither GET nor
// HEAD, 404 without such a path. Without a token (empty) it is 403 if the client asks a name other
// than localhost: a web site that a user visits can make its name lead here, and then read the
// answers. With one it is 401 if the client has not `token` and asks for data.
tl::expected<Call, HttpResponse> find_call(const HttpRequest& request, std::string_view token);

// The answer to Call::file.
HttpResponse file(const std::string& path);

// Adds the headers that every answer has: what the browser may load, and that it keeps nothing.
HttpResponse with_headers(HttpResponse response);

// A token is a line of at least kLeastToken characters that a header can carry.
inline constexpr std::size_t kLeastToken = 16;
Result<std::string> read_token(const std::string& path);

}  // namespace flannel::page
