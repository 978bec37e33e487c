import com.android.apksig.ApkSigner;
import com.android.apksig.ApkVerifier;
import java.io.File;
import java.security.Key;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;

/**
 * Signs and verifies APKs. Answers with lines "key=value" on stdout; a refusal is one line on
 * stderr and exit code 2.
 *
 * <pre>
 * sign UNSIGNED SIGNED   what else it takes comes from the environment: APK_KEYSTORE, APK_ALIAS
 *                        (empty: the only key), APK_STORE_PASSWORD, APK_KEY_PASSWORD
 * verify APK MIN_SDK MAX_SDK
 * </pre>
 */
public final class ApkSigning {
    private static final class Refused extends Exception {
        Refused(String message) {
            super(message);
        }
    }

    public static void main(String[] arguments) throws Exception {
        try {
            if (arguments[0].equals("sign")) {
                sign(new File(arguments[1]), new File(arguments[2]));
            } else {
                int minSdk = Integer.parseInt(arguments[2]);
                verify(new File(arguments[1]), minSdk, Integer.parseInt(arguments[3]));
            }
        } catch (Refused refused) {
            System.err.println(refused.getMessage());
            System.exit(2);
        }
    }

    private static void sign(File unsigned, File signed) throws Exception {
        KeyStore store = openStore(new File(System.getenv("APK_KEYSTORE")));
        String alias = aliasIn(store, System.getenv("APK_ALIAS"));
        List<X509Certificate> chain = new ArrayList<>();
        for (Certificate certificate : store.getCertificateChain(alias)) {
            chain.add((X509Certificate) certificate);
        }
        ApkSigner.SignerConfig signer =
                new ApkSigner.SignerConfig.Builder("CERT", keyIn(store, alias), chain).build();
        new ApkSigner.Builder(List.of(signer))
                .setInputApk(unsigned)
                .setOutputApk(signed)
                .setV1SigningEnabled(false)
                .setV2SigningEnabled(true)
                .setV3SigningEnabled(true)
                .setV4SigningEnabled(false)
                .setAlignmentPreserved(true)
                .setCreatedBy("shakti-sdk")
                .build()
                .sign();
        System.out.println("signer=" + sha256(chain.get(0).getEncoded()));
    }

    private static KeyStore openStore(File file) throws Exception {
        try {
            return KeyStore.getInstance(file, password("APK_STORE_PASSWORD"));
        } catch (java.io.IOException | java.security.KeyStoreException error) {
            throw new Refused("the keystore does not open: " + error.getMessage());
        }
    }

    private static String aliasIn(KeyStore store, String asked) throws Exception {
        List<String> keys = new ArrayList<>();
        for (String alias : java.util.Collections.list(store.aliases())) {
            if (store.isKeyEntry(alias)) {
                keys.add(alias);
            }
        }
        if (asked.isEmpty() && keys.size() == 1) {
            return keys.get(0);
        }
        if (!keys.contains(asked)) {
            String which = asked.isEmpty() ? "several keys or none" : "no key called " + asked;
            throw new Refused("the keystore has " + which + ": " + String.join(", ", keys));
        }
        return asked;
    }

    private static PrivateKey keyIn(KeyStore store, String alias) throws Exception {
        Key key;
        try {
            key = store.getKey(alias, password("APK_KEY_PASSWORD"));
        } catch (java.security.UnrecoverableKeyException error) {
            throw new Refused("the key's password is wrong");
        }
        if (!(key instanceof PrivateKey)) {
            throw new Refused(alias + " is no private key");
        }
        return (PrivateKey) key;
    }

    private static char[] password(String name) {
        return System.getenv(name).toCharArray();
    }

    private static void verify(File apk, int minSdk, int maxSdk) throws Exception {
        ApkVerifier.Result result =
                new ApkVerifier.Builder(apk)
                        .setMinCheckedPlatformVersion(minSdk)
                        .setMaxCheckedPlatformVersion(maxSdk)
                        .build()
                        .verify();
        System.out.println("verified=" + result.isVerified());
        System.out.println("v2=" + result.isVerifiedUsingV2Scheme());
        System.out.println("v3=" + result.isVerifiedUsingV3Scheme());
        for (X509Certificate certificate : result.getSignerCertificates()) {
            System.out.println("signer=" + sha256(certificate.getEncoded()));
        }
        for (Object problem : result.getAllErrors()) {
            System.out.println("error=" + problem);
        }
    }

    private static String sha256(byte[] data) throws Exception {
        StringBuilder hex = new StringBuilder();
        for (byte b : MessageDigest.getInstance("SHA-256").digest(data)) {
            hex.append(String.format("%02x", b));
        }
        return hex.toString();
    }
}
