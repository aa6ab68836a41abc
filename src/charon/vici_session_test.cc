// SPDX-License-Identifier: Apache-2.0
// A session with a charon that the test plays.
#include "charon/vici_session.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "support/hand_loop.h"
#include "support/temporary_folder.h"

namespace flannel::vici_session_test {
namespace {

using Type = ViciPacket::Type;

class ViciSessionTest : public testing::Test {
 protected:
  ViciSessionTest() {
    sockaddr_un at{.sun_family = AF_UNIX, .sun_path = {}};
    std::ranges::copy(path_, at.sun_path);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
  }
  void open() {
    auto opened =
        ViciSession::open(loop_, path_, [this](std::string why) { end_ = std::move(why); });
    ASSERT_TRUE(opened) << opened.error().text;
    session_ = *std::move(opened);
    charon_ = Fd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  }
  // The next packet that the session has sent.
  ViciPacket received() {
    for (;;) {
      if (const auto bytes = take_vici(bytes_).value()) return decode_vici(*bytes).value();
      char buffer[4096];
      const auto size = ::recv(charon_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (size <= 0) return {.type = Type::unknown_request};
      bytes_.append(buffer, static_cast<std::size_t>(size));
    }
  }
  void answer(const ViciPacket& packet) { send(encode_vici(packet)); }
  void send(const std::string& bytes) {
    ASSERT_EQ(::send(charon_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    loop_.turn();
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.path() + "/charon.vici";
  HandLoop loop_;
  Fd listener_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Fd charon_;
  std::string bytes_, end_;
  std::unique_ptr<ViciSession> session_;
};

TEST_F(ViciSessionTest, ACommandGetsItsAnswerInAnyPieces) {
  open();
  std::string got;
  session_->call("version", {},
                 [&](const ViciSection& said) { got = said.value("daemon").value(); });
  EXPECT_EQ(received(), (ViciPacket{.type = Type::request, .name = "version"}));
  const std::string bytes = encode_vici(
      {.type = Type::response, .name = {}, .content = {.values = {{"daemon", "charon"}}}});
  for (const char byte : bytes)
    send(std::string(1, byte));
  EXPECT_EQ(got, "charon");
  EXPECT_EQ(end_, "");
}

TEST_F(ViciSessionTest, RowsComeBeforeTheAnswer) {
  open();
  int rows = 0;
  bool is_done = false;
  session_->call(
      "list-sas", {}, [&](const ViciSection&) { is_done = true; }, "list-sa",
      [&](const ViciSection&) { ++rows; });
  EXPECT_EQ(received(), (ViciPacket{.type = Type::register_event, .name = "list-sa"}));
  answer({.type = Type::confirmed_event});
  EXPECT_EQ(received().name, "list-sas");
  answer({.type = Type::event, .name = "list-sa"});
  answer({.type = Type::event, .name = "list-sa"});
  EXPECT_FALSE(is_done);
  answer({.type = Type::response});
  EXPECT_EQ(rows, 2);
  EXPECT_TRUE(is_done);
}

TEST_F(ViciSessionTest, ALongCommandIsSentAsTheSocketTakesIt) {
  open();
  ViciSection long_one;
  for (int i = 0; i < 6; ++i)
    long_one.values.emplace_back("value", std::string(65535, 'x'));
  session_->call("load-conn", long_one, [](const ViciSection&) {});
  ViciPacket got{.type = Type::unknown_request};
  for (int i = 0; i < 1000 && got.type != Type::request; ++i) {
    got = received();
    loop_.turn();
  }
  EXPECT_EQ(got.content, long_one);
}

TEST_F(ViciSessionTest, TheEndOfCharonAndWhatIsNoVICIEndTheSession) {
  open();
  charon_ = Fd();
  loop_.turn();
  EXPECT_EQ(end_, "charon has ended");
  open();
  send(std::string("\0\0\0\1\x09", 5));
  EXPECT_EQ(end_, "a packet of charon is damaged: there is no type 9");
  open();
  session_->call("get-shared", {}, [](const ViciSection&) {});
  answer({.type = Type::unknown_request});
  EXPECT_EQ(end_, "charon lacks a command: it must be of strongSwan 5.5 or later");
}

TEST_F(ViciSessionTest, WithoutACharonItCannotBeOpened) {
  listener_ = Fd();
  const auto opened = ViciSession::open(loop_, path_, [](const std::string&) {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().text, "connect to charon at " + path_ + ": Connection refused");
}

}  // namespace
}  // namespace flannel::vici_session_test
