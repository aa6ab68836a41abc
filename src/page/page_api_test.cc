// SPDX-License-Identifier: Apache-2.0
#include "page/page_api.h"

#include <gtest/gtest.h>

#include <fstream>

#include "page/assets.h"

namespace flannel::page_api_test {
namespace {

using page::Call;

constexpr std::string_view kToken = "0123456789abcdef";

HttpRequest request(const std::string& path, const std::string& host = "127.0.0.1:8088",
                    const std::string& authorization = "") {
  HttpRequest made{.method = "GET", .path = path, .query = {}};
  made.headers = {{"host", host}};
  if (!authorization.empty()) made.headers["authorization"] = authorization;
  return made;
}

int refusal(const HttpRequest& asked, std::string_view token = {}) {
  const auto call = page::find_call(asked, token);
  return call ? 0 : call.error().status;
}

TEST(PageApiTest, ThePageAndItsDataAreServed) {
  for (const char* path : {"/", "/page.css", "/draw.js", "/matrix.js", "/page.js"})
    EXPECT_EQ(page::find_call(request(path), {}), Call::file) << path;
  EXPECT_EQ(page::find_call(request("/v1/status"), {}), Call::status);
  EXPECT_EQ(page::find_call(request("/v1/peers"), {}), Call::peers);
  EXPECT_EQ(page::find_call(request("/events"), {}), Call::events);
  for (const char* path : {"", "/page", "/v1/options", "/v1/ping", "/../etc/passwd"})
    EXPECT_EQ(refusal(request(path)), 404) << path;
}

TEST(PageApiTest, NothingButGetAndHeadIsAnswered) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get"}) {
    HttpRequest asked = request("/v1/status");
    asked.method = method;
    EXPECT_EQ(refusal(asked), 405) << method;
  }
  HttpRequest head = request("/");
  head.method = "HEAD";
  EXPECT_EQ(refusal(head), 0);
}

TEST(PageApiTest, ANameOfAStrangerIsRefusedWithoutAToken) {
  for (const char* host : {"localhost", "LOCALHOST:80", "192.0.2.1", "[::1]:8088", "[fd00::1]"})
    EXPECT_EQ(refusal(request("/", host)), 0) << host;
  for (const char* host : {"", "evil.example", "evil.example:8088", "127.0.0.1.evil.example",
                           "localhost.evil.example", "[", "[evil]", ":8088", "1"})
    EXPECT_EQ(refusal(request("/", host)), 403) << host;
  EXPECT_EQ(refusal(request("/", "node1.example"), kToken), 0);
}

TEST(PageApiTest, DataNeedsTheTokenAndThePageDoesNot) {
  EXPECT_EQ(refusal(request("/page.js"), kToken), 0);
  for (const char* path : {"/v1/status", "/v1/peers", "/events"}) {
    EXPECT_EQ(refusal(request(path, "a"), kToken), 401);
    for (const char* wrong : {"Bearer", "Bearer ", "Bearer 0123456789abcdeX", "0123456789abcdef",
                              "Bearer 0123456789abcdef0", "Basic 0123456789abcdef"})
      EXPECT_EQ(refusal(request(path, "a", wrong), kToken), 401) << wrong;
    EXPECT_EQ(refusal(request(path, "a", "Bearer " + std::string(kToken)), kToken), 0);
  }
}

TEST(PageApiTest, ThePageLoadsNothingFromOutsideAndIsSmall) {
  std::size_t bytes = 0;
  for (const char* path : {"/", "/page.css", "/draw.js", "/matrix.js", "/page.js"}) {
    const std::string text = page::file(path).body;
    bytes += text.size();
    EXPECT_FALSE(text.empty());
    for (const char* way : {"https://", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(",
                            "document.write", "@import", "url("})
      EXPECT_EQ(text.find(way), std::string::npos) << path << ": " << way;
  }
  EXPECT_LT(bytes, 100'000U);
  EXPECT_EQ(page::file("/page.css").content_type, "text/css; charset=utf-8");
}

TEST(PageApiTest, EveryAnswerRestrictsTheBrowser) {
  const HttpResponse answer = page::with_headers({404, "x"});
  EXPECT_TRUE(answer.headers.at("Content-Security-Policy").starts_with("default-src 'none'; "));
  EXPECT_EQ(answer.headers.at("X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(answer.headers.at("Referrer-Policy"), "no-referrer");
  EXPECT_EQ(answer.headers.at("Cache-Control"), "no-store");
}

TEST(PageApiTest, ATokenIsOneLongLine) {
  const std::string path = testing::TempDir() + "page_token";
  const auto token_of = [&path](const std::string& text) {
    std::ofstream(path) << text;
    return page::read_token(path);
  };
  EXPECT_EQ(token_of("0123456789abcdef\n").value(), kToken);
  for (const char* wrong :
       {"", "\n", "0123456789abcde\n", "0123456789 abcdef0", "0123456789abcdefé"})
    EXPECT_EQ(token_of(wrong).error().kind, ErrorKind::invalid) << wrong;
  EXPECT_EQ(page::read_token(path + "-missing").error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace flannel::page_api_test
