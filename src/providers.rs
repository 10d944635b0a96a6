//! Large providers of mail whose host names hit the S25R rules, though they are
//! no dial-up lines: an `allow` filter with `providers = true` knows them.
//!
//! Only domains in which customers cannot name machines of their own are here
//! (`amazonses.com` is, `amazonaws.com` is not), and a name counts only if it
//! leads back to the client's address. `filters/providers.list` is this table for
//! people to read and copy; a test holds the two together.

/// When the table was last gone through.
pub const DATED: &str = "2026-11-24";

/// A provider.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// The domain below which its hosts are.
    pub domain: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// The providers, by the octets of their domains.
pub const PROVIDERS: &[Provider] = &[
    Provider { domain: "163.com", name: "NetEase" },
    Provider { domain: "amazon.com", name: "Amazon" },
    Provider { domain: "amazonses.com", name: "Amazon SES" },
    Provider { domain: "antispamcloud.com", name: "N-able SpamExperts" },
    Provider { domain: "apple.com", name: "Apple" },
    Provider { domain: "booking.com", name: "Booking.com" },
    Provider { domain: "constantcontact.com", name: "Constant Contact" },
    Provider { domain: "d.mailin.fr", name: "Brevo" },
    Provider { domain: "ebay.com", name: "eBay" },
    Provider { domain: "emailsrvr.com", name: "Rackspace" },
    Provider { domain: "ess.barracudanetworks.com", name: "Barracuda" },
    Provider { domain: "gmx.net", name: "GMX" },
    Provider { domain: "google.com", name: "Google" },
    Provider { domain: "hostedemail.com", name: "OpenSRS" },
    Provider { domain: "hubspotemail.net", name: "HubSpot" },
    Provider { domain: "i.mail.ru", name: "Mail.ru" },
    Provider { domain: "icloud.com", name: "Apple iCloud" },
    Provider { domain: "iphmx.com", name: "Cisco" },
    Provider { domain: "italiaonline.it", name: "Italiaonline" },
    Provider { domain: "kundenserver.de", name: "IONOS" },
    Provider { domain: "linkedin.com", name: "LinkedIn" },
    Provider { domain: "mail-mail.facebook.com", name: "Facebook" },
    Provider { domain: "mail-out.ovh.net", name: "OVH" },
    Provider { domain: "mail.gandi.net", name: "Gandi" },
    Provider { domain: "mail.qq.com", name: "QQ" },
    Provider { domain: "mail.yandex.net", name: "Yandex" },
    Provider { domain: "mailbox.org", name: "mailbox.org" },
    Provider { domain: "mailgun.co", name: "Mailgun" },
    Provider { domain: "mailgun.net", name: "Mailgun" },
    Provider { domain: "mailjet.com", name: "Mailjet" },
    Provider { domain: "mandrillapp.com", name: "Mandrill" },
    Provider { domain: "mcdlv.net", name: "Mailchimp" },
    Provider { domain: "mcsv.net", name: "Mailchimp" },
    Provider { domain: "me.com", name: "Apple iCloud" },
    Provider { domain: "messagelabs.com", name: "Broadcom" },
    Provider { domain: "messagingengine.com", name: "Fastmail" },
    Provider { domain: "mimecast.com", name: "Mimecast" },
    Provider { domain: "mta.salesforce.com", name: "Salesforce" },
    Provider { domain: "mta0.migadu.com", name: "Migadu" },
    Provider { domain: "mta1.migadu.com", name: "Migadu" },
    Provider { domain: "mtasv.net", name: "Postmark" },
    Provider { domain: "nm.naver.com", name: "Naver" },
    Provider { domain: "paypal.com", name: "PayPal" },
    Provider { domain: "pphosted.com", name: "Proofpoint" },
    Provider { domain: "privateemail.com", name: "Namecheap" },
    Provider { domain: "prod.iad2.secureserver.net", name: "GoDaddy" },
    Provider { domain: "prod.phx3.secureserver.net", name: "GoDaddy" },
    Provider { domain: "prod.sxb1.secureserver.net", name: "GoDaddy" },
    Provider { domain: "protection.outlook.com", name: "Microsoft Outlook" },
    Provider { domain: "protonmail.ch", name: "Proton" },
    Provider { domain: "rsgsv.net", name: "Mailchimp" },
    Provider { domain: "sendgrid.net", name: "SendGrid" },
    Provider { domain: "smtp.github.com", name: "GitHub" },
    Provider { domain: "smtp.rzone.de", name: "Strato" },
    Provider { domain: "smtp2go.com", name: "SMTP2GO" },
    Provider { domain: "smtpout.orange.fr", name: "Orange" },
    Provider { domain: "sparkpostmail.com", name: "SparkPost" },
    Provider { domain: "sys.comcast.net", name: "Comcast" },
    Provider { domain: "twitter.com", name: "X" },
    Provider { domain: "web.de", name: "WEB.DE" },
    Provider { domain: "yahoo.co.jp", name: "Yahoo Japan" },
    Provider { domain: "yahoo.com", name: "Yahoo" },
    Provider { domain: "zendesk.com", name: "Zendesk" },
    Provider { domain: "zoho.com", name: "Zoho" },
    Provider { domain: "zoho.eu", name: "Zoho" },
];

/// No name is looked at deeper than this many labels; all above are shorter.
const LABELS: usize = 5;

/// The provider whose host this is, if any. The name is one that leads back to
/// the client.
#[must_use]
pub fn of(host: &[u8]) -> Option<&'static Provider> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let dots = host.iter().enumerate().rev().filter(|(_, b)| **b == b'.');
    dots.take(LABELS).find_map(|(dot, _)| named(host.get(dot + 1..)?))
}

/// The provider with this domain.
fn named(domain: &[u8]) -> Option<&'static Provider> {
    let lower = |octets: &'static str| octets.bytes();
    let wanted = || domain.iter().map(u8::to_ascii_lowercase);
    let at = PROVIDERS.binary_search_by(|p| lower(p.domain).cmp(wanted())).ok()?;
    PROVIDERS.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_nothing_in_it_is_superfluous() {
        assert!(PROVIDERS.is_sorted_by(|a, b| a.domain < b.domain));
        for provider in PROVIDERS {
            let labels = provider.domain.split('.').count();
            assert!((2..=LABELS).contains(&labels), "{}", provider.domain);
            assert!(of(provider.domain.as_bytes()).is_none(), "{} is in another", provider.domain);
            let host = format!("a.B.{}.", provider.domain.to_uppercase());
            assert_eq!(of(host.as_bytes()), Some(provider));
            assert_eq!(of(format!("bad{}", provider.domain).as_bytes()), None);
        }
        assert_eq!(of(b""), None);
        assert_eq!(of(b"....."), None);
        assert_eq!(of(b"mail.google.com.example.org"), None);
    }

    #[test]
    fn the_list_for_people_is_the_table() {
        let lines = PROVIDERS.iter().map(|p| format!(".{:<30} # {}\n", p.domain, p.name));
        let list: String = lines.collect();
        let file = include_str!("../filters/providers.list");
        let (head, body): (Vec<_>, Vec<_>) =
            file.split_inclusive('\n').partition(|line| line.starts_with('#'));
        assert!(head.concat().contains(DATED), "filters/providers.list is not of {DATED}");
        assert_eq!(body.concat(), list, "write filters/providers.list anew");
    }
}
