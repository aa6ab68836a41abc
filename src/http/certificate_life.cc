// SPDX-License-Identifier: Apache-2.0
#include "http/certificate_life.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

namespace flannel {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

std::optional<std::chrono::seconds> life_of(const X509* certificate) {
  int days = 0;
  int seconds = 0;
  // nullptr stands for now.
  if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(certificate)) != 1) {
    return std::nullopt;
  }
  return std::chrono::days(days) + std::chrono::seconds(seconds);
}

}  // namespace

Result<CertificateLives> certificate_lives(std::string_view pem) {
  if (pem.size() > std::numeric_limits<int>::max()) {
    return fail(ErrorKind::invalid, "this is no certificate: it is too long");
  }
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  std::optional<CertificateLives> lives;
  while (true) {
    const Certificate one(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (!one) break;
    const auto life = life_of(one.get());
    if (!life) continue;
    if (!lives) lives = {*life, *life};
    lives = {std::min(lives->shortest, *life), std::max(lives->longest, *life)};
  }
  ERR_clear_error();  // the end of the text counts as one
  if (!lives) return fail(ErrorKind::invalid, "there is no certificate in PEM in it");
  return *lives;
}

}  // namespace flannel
