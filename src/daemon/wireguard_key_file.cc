// SPDX-License-Identifier: Apache-2.0
#include "daemon/wireguard_key_file.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "core/state_folder.h"

namespace flannel {
namespace {

constexpr std::size_t kLongestKeyFile = 256;  // bytes of a key file; a key has 44

Result<WireguardKey> public_key_of(const WireguardSecret& secret) {
  const std::unique_ptr<EVP_PKEY, decltype(&::EVP_PKEY_free)> pair(
      ::EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, secret.bytes().data(),
                                     secret.bytes().size()),
      &::EVP_PKEY_free);
  WireguardKey key;
  std::size_t size = key.bytes.size();
  if (!pair || ::EVP_PKEY_get_raw_public_key(pair.get(), key.bytes.data(), &size) != 1 ||
      size != key.bytes.size()) {
    return fail(ErrorKind::system, "OpenSSL cannot compute an X25519 public key");
  }
  return key;
}

Result<WireguardSecret> random_secret() {
  WireguardSecret::Bytes bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return os_error("make a WireGuard key");
  }
  // As every program writes X25519 keys (RFC 7748, section 5).
  bytes.front() &= 0xf8;
  bytes.back() = static_cast<std::uint8_t>((bytes.back() & 0x7f) | 0x40);
  WireguardSecret secret(bytes);
  ::explicit_bzero(bytes.data(), bytes.size());
  return secret;
}

void warn_if_others_can_read(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || (status.st_mode & 0077) == 0) return;
  log::warning("other users of this host can read the private WireGuard key",
               {{"file", path},
                {"mode", fmt::format("{:04o}", status.st_mode & 07777)},
                {"cure", "chmod 600; or delete the file for another key and restart flanneld"}});
}

// nullopt: there is no such file.
Result<std::optional<WireguardSecret>> read_key(const std::string& path) {
  if (path.empty()) return std::nullopt;
  auto text = read_file(path, kLongestKeyFile);
  if (!text && text.error().kind == ErrorKind::not_found) return std::nullopt;
  const std::string what = "read the private WireGuard key from " + path;
  if (!text) return Failure(std::move(text.error()).during(what));
  std::string_view line = *text;
  while (line.ends_with('\n') || line.ends_with('\r'))
    line.remove_suffix(1);
  auto secret = WireguardSecret::parse(line);
  ::explicit_bzero(text->data(), text->size());
  if (!secret) {
    return Failure(std::move(secret.error()).during(what + " (delete the file for another key)"));
  }
  warn_if_others_can_read(path);
  return *secret;
}

Result<void> write_key(const std::string& path, const WireguardSecret& secret) {
  std::string text = text_for_file(secret);
  const auto written = write_file_atomically(path, text, 0600);
  ::explicit_bzero(text.data(), text.size());
  if (!written) return tl::unexpected(written.error());
  return {};
}

}  // namespace

WireguardKeyPlaces wireguard_key_places(const std::string& given, const std::string& state_folder,
                                        const std::string& network) {
  return {.given = given,
          .kept = fmt::format("{}/{}{}{}", state_folder, kWireguardKeyFile,
                              network.empty() ? "" : "-", network),
          .upstream = network.empty() ? "/run/flannel/wgkey" : ""};
}

Result<WireguardIdentity> load_or_make_wireguard_key(const WireguardKeyPlaces& places) {
  const bool is_given = !places.given.empty();
  const std::string& home = is_given ? places.given : places.kept;
  auto secret = TRY(read_key(home));
  if (secret) return WireguardIdentity{TRY(public_key_of(*secret)), *secret};
  if (!is_given) secret = TRY(read_key(places.upstream));
  const bool is_new = !secret;
  if (is_new) secret = TRY(random_secret());
  const WireguardIdentity identity{TRY(public_key_of(*secret)), *secret};
  if (const auto kept = write_key(home, *secret); !kept) {
    log::warning(
        is_new ? "the private WireGuard key cannot be kept, and is another after the next start"
               : "upstream's private WireGuard key cannot be taken over, and is gone with the "
                 "next boot",
        {{"file", home},
         {"why", kept.error().text},
         {"remedy", is_given ? "make the folder of WIREGUARD_KEY_FILE writable, or unset it"
                             : "give a writable --state-dir"}});
  } else {
    log::info(is_new ? "made a WireGuard key for this host" : "took over upstream's WireGuard key",
              {{"file", home}, {"public_key", to_string(identity.key)}});
  }
  return identity;
}

Result<WireguardIdentity> replace_wireguard_key(const WireguardKeyPlaces& places) {
  if (!places.given.empty()) {
    return fail(ErrorKind::conflict,
                fmt::format("the private key is in {}, which WIREGUARD_KEY_FILE names and flanneld "
                            "does not replace: write another key there (wg genkey) and restart "
                            "flanneld, or unset the variable",
                            places.given));
  }
  const WireguardSecret secret = TRY(random_secret());
  const WireguardIdentity keys{TRY(public_key_of(secret)), secret};
  TRY(keep_wireguard_key(places, keys));
  return keys;
}

Result<void> keep_wireguard_key(const WireguardKeyPlaces& places, const WireguardIdentity& keys) {
  TRY_DURING(write_key(places.kept, keys.secret), "keep the WireGuard key");
  return {};
}

}  // namespace flannel
