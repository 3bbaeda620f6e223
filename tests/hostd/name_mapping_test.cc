// Names of Linux as names of Windows: reversible, whatever they are.

#include "hostd/name_mapping.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace warmfs::hostd {
namespace {

std::u16string There(std::string_view name) {
  const auto mapped = ToWindowsName(name);
  EXPECT_TRUE(mapped.has_value()) << name;
  return mapped.value_or(u"");
}

TEST(NameMapping, AnOrdinaryNameStaysAsItIs) {
  EXPECT_EQ(There("README.md"), u"README.md");
  EXPECT_EQ(There(".git"), u".git");
  EXPECT_EQ(There("gr\xC3\xBC\xC3\x9F"), u"gr\u00FC\u00DF");
  EXPECT_EQ(There("\xF0\x9F\x98\x80"), u"\U0001F600");
  EXPECT_EQ(There("console.log"), u"console.log");
  EXPECT_EQ(There("nullable"), u"nullable");
  EXPECT_EQ(There("com"), u"com");
}

TEST(NameMapping, WhatWindowsRefusesIsMappedToPrivateUse) {
  EXPECT_EQ(There("a:b"), u"a\uF03Ab");
  EXPECT_EQ(There("?*<>|\"\\"), u"\uF03F\uF02A\uF03C\uF03E\uF07C\uF022\uF05C");
  EXPECT_EQ(There("\n"), u"\uF00A");
  EXPECT_EQ(There("end."), u"end\uF02E");
  EXPECT_EQ(There("end "), u"end\uF020");
  EXPECT_EQ(There("..."), u"..\uF02E");
}

TEST(NameMapping, ADevicesNameIsNoDevice) {
  EXPECT_EQ(There("con"), u"co\uF06E");
  EXPECT_EQ(There("NUL.txt"), u"NU\uF04C.txt");
  EXPECT_EQ(There("aux .c"), u"au\uF078 .c");
  EXPECT_EQ(There("COM1"), u"CO\uF04D1");
  EXPECT_EQ(There("lpt9.x.y"), u"lp\uF0749.x.y");
  EXPECT_EQ(There("CONIN$"), u"CO\uF04EIN$");
}

TEST(NameMapping, BytesThatAreNoUtf8ComeBack) {
  EXPECT_EQ(There("\xFF"), u"\uF1FF");
  for (const std::string name :
       {std::string("\xFF\xFE"), std::string("a\xC3"), std::string("\xC0\x80"),
        std::string("\xF5\x80\x80\x80"), std::string("\xED\xA0\x80")}) {
    EXPECT_EQ(FromWindowsName(There(name)), name);
  }
}

TEST(NameMapping, PrivateUseOfTheNamesOwnComesBack) {
  const std::string own = "\xEF\x80\xBA";  // U+F03A, which a colon becomes
  EXPECT_NE(There(own), There(":"));
  EXPECT_EQ(FromWindowsName(There(own)), own);
}

TEST(NameMapping, ALoneSurrogateIsShownAndFoundAgain) {
  const std::u16string lone = {u'a', 0xD800, u'b'};
  const auto shown = FromWindowsName(lone);
  ASSERT_TRUE(shown.has_value());
  EXPECT_EQ(There(*shown), lone);
}

TEST(NameMapping, ANameThatNobodyCouldAskForIsNotShown) {
  // Mapped though it need not be: it would be asked for by its plain form.
  EXPECT_EQ(FromWindowsName(u"\uF061"), std::nullopt);
  EXPECT_EQ(FromWindowsName(u"\uF000"), std::nullopt) << "a NUL";
  EXPECT_EQ(FromWindowsName(u"a\uF02Fb"), std::nullopt) << "a slash";
  EXPECT_EQ(FromWindowsName(std::u16string(200, u'\u20AC')), std::nullopt)
      << "600 bytes";
}

TEST(NameMapping, TooLongIsSaidAndNotCut) {
  EXPECT_TRUE(ToWindowsName(std::string(255, 'a')).has_value());
  EXPECT_FALSE(ToWindowsName(std::string(256, 'a')).has_value());
}

TEST(NameMapping, EveryNameComesBackAndNoTwoAreOne) {
  std::mt19937 random(1);
  const std::string letters =
      "aAnNuUlLcCoOmM1. :?*\\\x01\x7F\x80\xBA\xC3\xED\xEF\xF0\xF1\xA0\xFF$";
  for (int i = 0; i < 200'000; ++i) {
    std::string name(1 + random() % 6, 'a');
    for (char& c : name) c = letters[random() % letters.size()];
    if (name == "." || name == "..") continue;
    const std::u16string there = There(name);
    // Reversible, and so no two names are one.
    ASSERT_EQ(FromWindowsName(there), name);
    ASSERT_EQ(there.find_first_of(u"<>:\"|?*\\/"), there.npos);
    ASSERT_TRUE(there.back() != u'.' && there.back() != u' ');
  }
}

TEST(NameMapping, AnythingOnTheHostIsShownReversiblyOrNotAtAll) {
  std::mt19937 random(2);
  const std::u16string letters =
      u"aAconul1. \u00E9\u20AC\uF03A\uF06E\uF120\uF1C3\uF1A9\uF1ED\uF1A0\uF180";
  for (int i = 0; i < 200'000; ++i) {
    std::u16string name(1 + random() % 5, u'a');
    for (char16_t& c : name) {
      c = random() % 8 == 0 ? static_cast<char16_t>(0xD7FE + random() % 0x804)
                            : letters[random() % letters.size()];
    }
    const auto shown = FromWindowsName(name);
    if (shown) {
      ASSERT_EQ(There(*shown), name);
    }
  }
}

}  // namespace
}  // namespace warmfs::hostd
