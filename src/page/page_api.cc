// SPDX-License-Identifier: Apache-2.0
#include "page/page_api.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <utility>

#include "base/file.h"
#include "base/parse.h"
#include "net/address.h"
#include "page/assets.h"

namespace flannel::page {
namespace {

struct File {
  std::string_view path;
  std::string_view content_type;
  const std::string_view& text;
};

constexpr File kFiles[] = {
    {"/", "text/html; charset=utf-8", kPageHtml},
    {"/page.css", "text/css; charset=utf-8", kPageCss},
    {"/draw.js", "text/javascript; charset=utf-8", kDrawJs},
    {"/matrix.js", "text/javascript; charset=utf-8", kMatrixJs},
    {"/page.js", "text/javascript; charset=utf-8", kPageJs},
};

constexpr std::array kData{std::pair<std::string_view, Call>{"/v1/status", Call::status},
                           std::pair<std::string_view, Call>{"/v1/peers", Call::peers},
                           std::pair<std::string_view, Call>{"/events", Call::events}};

constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string header(const HttpRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? std::string() : found->second;
}

// The host of "HOST:PORT", "[HOST]:PORT" or the host alone.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

bool is_address_or_localhost(std::string_view host) {
  const std::string_view name = without_port(host);
  return equal_ignoring_case(name, "localhost") || IpAddress::parse(name).has_value();
}

// Takes the same time wherever the texts differ.
bool is_equal(std::string_view given, std::string_view token) {
  if (given.size() != token.size()) return false;
  unsigned differences = 0;
  for (std::size_t i = 0; i < token.size(); ++i)
    differences |= static_cast<unsigned>(static_cast<unsigned char>(given[i] ^ token[i]));
  return differences == 0;
}

bool has_token(const HttpRequest& request, std::string_view token) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string given = header(request, "authorization");
  return given.starts_with(kScheme) &&
         is_equal(std::string_view(given).substr(kScheme.size()), token);
}

HttpResponse refusal(int status, std::string text,
                     std::map<std::string, std::string> headers = {}) {
  HttpResponse response{status, std::move(text) + "\n"};
  response.headers = std::move(headers);
  return response;
}

// Null: there is no such file.
const File* find_file(const std::string& path) {
  const auto* found = std::ranges::find(kFiles, path, &File::path);
  return found == std::end(kFiles) ? nullptr : found;
}

}  // namespace

tl::expected<Call, HttpResponse> find_call(const HttpRequest& request, std::string_view token) {
  if (request.method != "GET" && request.method != "HEAD") {
    return tl::unexpected(refusal(405, "this page changes nothing", {{"Allow", "GET, HEAD"}}));
  }
  if (token.empty() && !is_address_or_localhost(header(request, "host"))) {
    return tl::unexpected(
        refusal(403, "ask by an address or as localhost; other names need --status-token-file"));
  }
  if (find_file(request.path) != nullptr) return Call::file;
  const auto data =
      std::ranges::find_if(kData, [&](const auto& one) { return one.first == request.path; });
  if (data == kData.end()) return tl::unexpected(refusal(404, "404 page not found"));
  if (!token.empty() && !has_token(request, token)) {
    return tl::unexpected(refusal(401, "a token is needed: it follows # in the address of the page",
                                  {{"WWW-Authenticate", "Bearer"}}));
  }
  return data->second;
}

HttpResponse file(const std::string& path) {
  const File& found = *find_file(path);
  return {200, std::string(found.text), std::string(found.content_type)};
}

HttpResponse with_headers(HttpResponse response) {
  response.headers.insert({{"Content-Security-Policy", kPolicy},
                           {"X-Content-Type-Options", "nosniff"},
                           {"X-Frame-Options", "DENY"},
                           {"Referrer-Policy", "no-referrer"},
                           {"Cross-Origin-Resource-Policy", "same-origin"},
                           {"Cache-Control", "no-store"}});
  return response;
}

Result<std::string> read_token(const std::string& path) {
  const std::string text = TRY(read_file(path, 4096));
  std::string token(trim(text));
  const bool fits = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (token.size() >= kLeastToken && fits) return token;
  return fail(ErrorKind::invalid,
              path + " has no token: one line of at least " + std::to_string(kLeastToken) +
                  " ASCII characters without blanks, such as that of \"openssl rand -hex 16\"");
}

}  // namespace flannel::page
