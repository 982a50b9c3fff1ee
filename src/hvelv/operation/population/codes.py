"""Diagnoses and medicines: public code lists, each with a theme, and how often a theme's codes come.

ICD-10 (WHO) without the point, as the patient register writes it; names shortened. The fourth characters are there for
their long tail: a category's name says what its codes mean. ATC (WHOCC) fifth level by international name. Weights are
chosen, not published.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[Any]


class Theme(IntEnum):
    """What ails a person for years, and so comes again in every register."""

    GENERAL = 0
    HEART = 1
    SUGAR = 2
    LUNGS = 3
    MIND = 4
    BONES = 5
    CHILD = 6
    CANCER = 7


@dataclass(frozen=True)
class Code:
    """A code with its names, its theme and its weight within the theme."""

    code: str
    nb: str
    en: str
    theme: Theme
    weight: float
    death: float = 0.0
    """How often it is a cause of death within the theme."""


# theme; category; fourth characters (or -); weight; weight as cause of death; names
DIAGNOSIS_LINES = """
0 A09 09 8 1 Diaré og gastroenteritt|Diarrhoea and gastroenteritis
0 A41 0159 4 6 Sepsis|Sepsis
0 B34 29 5 1 Virusinfeksjon|Viral infection
0 D64 089 5 0 Anemi|Anaemia
0 E03 0289 3 0 Hypotyreose|Hypothyroidism
0 E86 - 3 1 Dehydrering|Volume depletion
0 G35 - 3 1 Multippel sklerose|Multiple sclerosis
0 G40 01269 6 1 Epilepsi|Epilepsy
0 G43 0189 5 0 Migrene|Migraine
0 G56 0123 4 0 Mononevropati i arm|Mononeuropathy of upper limb
0 H25 0189 12 0 Senil katarakt|Senile cataract
0 H35 0389 12 0 Netthinnelidelse|Retinal disorder
0 H40 0159 9 0 Glaukom|Glaucoma
0 H90 0356 8 0 Hørselstap|Hearing loss
0 K21 09 4 0 Gastroøsofageal refluks|Gastro-oesophageal reflux
0 K35 238 4 0 Akutt appendisitt|Acute appendicitis
0 K40 29 5 0 Lyskebrokk|Inguinal hernia
0 K50 0189 5 0 Crohns sykdom|Crohn disease
0 K51 0389 4 0 Ulcerøs kolitt|Ulcerative colitis
0 K57 239 4 2 Divertikkelsykdom|Diverticular disease
0 K70 0139 2 3 Alkoholisk leversykdom|Alcoholic liver disease
0 K74 056 1 2 Leverfibrose og cirrhose|Fibrosis and cirrhosis of liver
0 K80 01258 6 1 Gallestein|Cholelithiasis
0 L20 089 4 0 Atopisk eksem|Atopic dermatitis
0 L40 0589 7 0 Psoriasis|Psoriasis
0 N18 34589 8 4 Kronisk nyresykdom|Chronic kidney disease
0 N20 0129 5 0 Nyrestein|Calculus of kidney and ureter
0 N39 0349 7 3 Lidelse i urinsystemet|Disorder of urinary system
0 R07 1349 9 0 Smerte i hals og bryst|Pain in throat and chest
0 R10 134 9 0 Magesmerter|Abdominal pain
0 R42 - 4 0 Svimmelhet|Dizziness
0 R54 - 1 12 Alderdomssvakhet|Senility
0 R55 - 5 0 Synkope|Syncope
0 R99 - 0 9 Ukjent dødsårsak|Unknown cause of death
0 S06 0569 5 2 Hodeskade|Intracranial injury
0 S42 0234 5 0 Brudd i skulder og overarm|Fracture of shoulder and upper arm
0 S52 0568 9 0 Brudd i underarm|Fracture of forearm
0 S72 0123 5 1 Lårbeinsbrudd|Fracture of femur
0 S82 0568 7 0 Brudd i legg og ankel|Fracture of lower leg
0 T81 0148 5 1 Komplikasjon til behandling|Complication of procedures
0 W19 - 0 7 Fall|Fall
0 X70 - 0 3 Selvpåført skade|Intentional self-harm
0 U07 12 3 4 Covid-19|COVID-19
0 Z03 489 8 0 Observasjon ved mistanke om sykdom|Observation for suspected disease
0 Z09 0489 10 0 Etterundersøkelse|Follow-up examination
0 Z50 1589 7 0 Rehabilitering|Rehabilitation
0 Z51 158 6 0 Annen behandling|Other medical care
0 Z96 016 3 0 Implantat|Functional implants
0 O80 019 0 0 Spontan fødsel|Single spontaneous delivery
0 O82 019 0 0 Keisersnitt|Delivery by caesarean section
1 I10 - 12 2 Hypertensjon|Essential hypertension
1 I20 0189 10 1 Angina pectoris|Angina pectoris
1 I21 01349 9 18 Akutt hjerteinfarkt|Acute myocardial infarction
1 I25 0129 14 16 Kronisk iskemisk hjertesykdom|Chronic ischaemic heart disease
1 I35 0129 5 6 Aortaklaffsykdom|Aortic valve disorders
1 I42 059 3 3 Kardiomyopati|Cardiomyopathy
1 I48 0129 18 8 Atrieflimmer|Atrial fibrillation
1 I50 019 11 12 Hjertesvikt|Heart failure
1 I61 0169 2 8 Hjerneblødning|Intracerebral haemorrhage
1 I63 03489 9 12 Hjerneinfarkt|Cerebral infarction
1 I70 0129 4 4 Aterosklerose|Atherosclerosis
1 I71 3469 2 5 Aortaaneurisme|Aortic aneurysm
2 E10 23459 10 8 Diabetes type 1|Type 1 diabetes
2 E11 23459 18 22 Diabetes type 2|Type 2 diabetes
2 E66 0289 6 1 Fedme|Obesity
2 E78 0258 5 0 Lipidforstyrrelse|Disorder of lipid metabolism
2 H36 08 6 0 Diabetisk netthinnesykdom|Diabetic retinopathy
2 I12 09 2 6 Hypertensiv nyresykdom|Hypertensive renal disease
2 I79 2 1 4 Diabetisk karsykdom|Diabetic angiopathy
3 J15 2789 5 8 Bakteriell pneumoni|Bacterial pneumonia
3 J18 0189 14 22 Pneumoni|Pneumonia
3 J44 0189 18 30 Kronisk obstruktiv lungesykdom|Chronic obstructive pulmonary disease
3 J45 0189 12 2 Astma|Asthma
3 J47 - 2 2 Bronkiektasi|Bronchiectasis
3 J84 189 4 8 Interstitiell lungesykdom|Interstitial pulmonary disease
3 J96 019 6 4 Respirasjonssvikt|Respiratory failure
3 G47 0139 9 0 Søvnforstyrrelse|Sleep disorders
4 F00 0129 3 10 Demens ved Alzheimers sykdom|Dementia in Alzheimer disease
4 F03 - 3 22 Demens|Dementia
4 F10 01239 6 6 Lidelse ved alkohol|Disorders due to alcohol
4 F20 0359 6 3 Schizofreni|Schizophrenia
4 F31 0234 5 1 Bipolar lidelse|Bipolar disorder
4 F32 01239 10 1 Depressiv episode|Depressive episode
4 F33 01249 8 1 Tilbakevendende depresjon|Recurrent depression
4 F41 0129 9 0 Angst|Anxiety disorders
4 F43 0129 8 0 Belastningslidelse|Reaction to severe stress
4 F84 0159 4 0 Gjennomgripende utviklingsforstyrrelse|Pervasive developmental disorder
4 F90 019 9 0 Hyperkinetisk forstyrrelse|Hyperkinetic disorder
4 G20 - 4 12 Parkinsons sykdom|Parkinson disease
4 G30 0189 3 20 Alzheimers sykdom|Alzheimer disease
5 M05 389 6 2 Seropositiv revmatoid artritt|Seropositive rheumatoid arthritis
5 M06 0389 6 2 Revmatoid artritt|Rheumatoid arthritis
5 M16 0159 10 1 Hofteartrose|Coxarthrosis
5 M17 0159 11 1 Kneartrose|Gonarthrosis
5 M45 - 5 1 Bekhterevs sykdom|Ankylosing spondylitis
5 M48 0689 5 1 Spinal stenose|Spinal stenosis
5 M51 0129 6 0 Skiveprolaps|Intervertebral disc disorder
5 M54 1459 10 0 Ryggsmerter|Dorsalgia
5 M75 0134 8 0 Skulderlidelse|Shoulder lesions
5 M80 089 3 3 Osteoporose med brudd|Osteoporosis with fracture
5 M81 089 4 1 Osteoporose|Osteoporosis
6 H65 0349 9 0 Mellomørebetennelse med væske|Nonsuppurative otitis media
6 J03 089 5 0 Akutt tonsillitt|Acute tonsillitis
6 J06 089 10 1 Øvre luftveisinfeksjon|Upper respiratory infection
6 J20 589 7 1 Akutt bronkitt|Acute bronchitis
6 J21 089 8 1 Akutt bronkiolitt|Acute bronchiolitis
6 J35 0139 6 0 Sykdom i mandler|Diseases of tonsils and adenoids
6 K59 019 5 0 Obstipasjon|Constipation
6 P07 0123 6 10 Prematuritet|Disorders of short gestation
6 P59 0289 6 1 Gulsott hos nyfødt|Neonatal jaundice
6 Q21 0189 3 8 Medfødt hjertefeil|Malformations of cardiac septa
6 Z00 0138 9 0 Undersøkelse av frisk|General examination
7 C61 - 1 1 Kreft i prostata|Cancer of the prostate
7 C50 0489 1 1 Brystkreft|Breast cancer
7 C34 0139 1 1 Lungekreft|Lung cancer
7 C18 0279 1 1 Tykktarmskreft|Colon cancer
7 C20 - 1 1 Endetarmskreft|Rectal cancer
7 C43 3579 1 1 Føflekkreft|Melanoma of the skin
7 C44 3579 1 1 Annen hudkreft|Non-melanoma skin cancer
7 C67 0289 1 1 Blærekreft|Bladder cancer
7 C64 - 1 1 Nyrekreft|Kidney cancer
7 C25 0129 1 1 Kreft i bukspyttkjertelen|Pancreatic cancer
7 C16 0129 1 1 Magekreft|Stomach cancer
7 C54 19 1 1 Kreft i livmor|Cancer of the corpus uteri
7 C53 019 1 1 Livmorhalskreft|Cervical cancer
7 C56 - 1 1 Eggstokkreft|Ovarian cancer
7 C62 19 1 1 Testikkelkreft|Testicular cancer
7 C71 1249 1 1 Hjernesvulst|Cancer of the brain
7 C73 - 1 1 Skjoldkjertelkreft|Thyroid cancer
7 C83 1359 1 1 Non-Hodgkin lymfom|Non-Hodgkin lymphoma
7 C90 0 1 1 Myelomatose|Multiple myeloma
7 C91 01 1 1 Lymfatisk leukemi|Lymphoid leukaemia
7 C92 01 1 1 Myelogen leukemi|Myeloid leukaemia
"""
# category; yearly weight among men, among women: rounded shape of Cancer in Norway 2023
CANCERS: dict[str, tuple[int, int]] = {
    "C61": (5258, 0), "C50": (40, 4076), "C34": (1700, 1620), "C18": (1640, 1750), "C20": (790, 520),
    "C43": (1550, 1400), "C44": (1750, 1500), "C67": (1250, 400), "C64": (640, 300), "C25": (480, 460),
    "C16": (290, 180), "C54": (0, 770), "C53": (0, 310), "C56": (0, 420), "C62": (310, 0), "C71": (330, 250),
    "C73": (130, 300), "C83": (560, 430), "C90": (310, 230), "C91": (350, 230), "C92": (280, 210),
}  # fmt: skip
# theme; code; weight; defined daily doses in a pack; reimbursed or not; name
MEDICINE_LINES = """
0 N02BE01 12 17 0 paracetamol
0 M01AE01 6 20 0 ibuprofen|ibuprofen
0 N02AJ06 6 7 0 kodein og paracetamol|codeine and paracetamol
0 N02AX02 3 8 0 tramadol
0 N05CF01 6 30 0 zopiklon|zopiclone
0 A02BC05 7 50 1 esomeprazol|esomeprazole
0 A02BC02 5 50 1 pantoprazol|pantoprazole
0 R06AX27 5 100 0 desloratadin|desloratadine
0 R06AE07 6 100 0 cetirizin|cetirizine
0 R01AD09 5 70 0 mometason|mometasone
0 D07AC13 3 30 0 mometason, hud|mometasone, skin
0 J01CE02 6 8 0 fenoksymetylpenicillin|phenoxymethylpenicillin
0 J01CA08 3 7 0 pivmecillinam
0 J01AA02 2 10 0 doksysyklin|doxycycline
0 J01EA01 1 10 0 trimetoprim|trimethoprim
0 H03AA01 7 67 1 levotyroksin|levothyroxine sodium
0 B03BB01 3 200 0 folsyre|folic acid
0 B03BA01 3 50 0 cyanokobalamin|cyanocobalamin
0 G03CA03 3 84 0 østradiol|estradiol
0 G03AA07 3 84 0 levonorgestrel og etinyløstradiol|levonorgestrel and ethinylestradiol
0 G04CA02 3 90 1 tamsulosin
0 S01EE01 2 75 1 latanoprost
0 V03AE01 0.2 10 1 polystyrensulfonat|polystyrene sulfonate
0 L04AB04 0.5 14 1 adalimumab
0 H02AB06 3 50 0 prednisolon|prednisolone
1 B01AC06 14 100 1 acetylsalisylsyre|acetylsalicylic acid
1 C10AA05 16 130 1 atorvastatin
1 C10AA01 8 100 1 simvastatin
1 C07AB02 12 66 1 metoprolol
1 C08CA01 9 140 1 amlodipin|amlodipine
1 C09CA06 8 120 1 kandesartan|candesartan
1 C09AA05 5 160 1 ramipril
1 C03CA01 5 100 1 furosemid|furosemide
1 C03DA01 2 33 1 spironolakton|spironolactone
1 B01AF02 9 90 1 apiksaban|apixaban
1 B01AF01 4 98 1 rivaroksaban|rivaroxaban
1 B01AA03 2 75 1 warfarin
1 C01DA14 2 98 1 isosorbidmononitrat|isosorbide mononitrate
1 C01AA05 0.6 50 1 digoksin|digoxin
1 C01BD01 0.4 50 1 amiodaron|amiodarone
2 A10BA02 20 68 1 metformin
2 A10AB05 6 38 1 insulin aspart|insulin aspart
2 A10AE04 6 38 1 insulin glargin|insulin glargine
2 A10AE06 3 38 1 insulin degludek|insulin degludec
2 A10BJ06 8 28 1 semaglutid|semaglutide
2 A10BK03 7 52 1 empagliflozin
2 A10BK01 4 98 1 dapagliflozin
2 A10BH01 3 98 1 sitagliptin
2 A10BB12 2 60 1 glimepirid|glimepiride
3 R03AC02 14 25 1 salbutamol
3 R03AK06 9 30 1 salmeterol og flutikason|salmeterol and fluticasone
3 R03AK07 12 60 1 formoterol og budesonid|formoterol and budesonide
3 R03BB04 7 30 1 tiotropium
3 R03AL08 5 30 1 vilanterol, umeklidinium og flutikason|vilanterol, umeclidinium and fluticasone
3 R03DC03 4 98 1 montelukast
3 R05CB01 3 25 0 acetylcystein|acetylcysteine
4 N06AB10 12 98 1 escitalopram
4 N06AB06 6 98 1 sertralin|sertraline
4 N06AX16 4 56 1 venlafaksin|venlafaxine
4 N06AX11 5 30 1 mirtazapin|mirtazapine
4 N05AH04 6 30 1 kvetiapin|quetiapine
4 N05AH03 4 56 1 olanzapin|olanzapine
4 N05AN01 2 42 1 litium|lithium
4 N05BA04 4 25 0 oksazepam|oxazepam
4 N06BA04 8 30 1 metylfenidat|methylphenidate
4 N06BA12 6 30 1 lisdeksamfetamin|lisdexamfetamine
4 N06DA02 2 98 1 donepezil
4 N04BA02 3 33 1 levodopa og dekarboksylasehemmer|levodopa and decarboxylase inhibitor
4 N03AX09 4 75 1 lamotrigin|lamotrigine
5 M01AH05 5 50 0 etorikoksib|etoricoxib
5 M01AB05 6 50 0 diklofenak|diclofenac
5 N02AA05 4 10 0 oksykodon|oxycodone
5 N03AX16 4 28 0 pregabalin
5 N03AX12 4 33 0 gabapentin
5 L04AX03 5 40 1 metotreksat|methotrexate
5 M05BA04 5 84 1 alendronat|alendronic acid
5 A12AX01 6 100 1 kalsium og vitamin D|calcium and vitamin D
5 M05BX04 2 180 1 denosumab
5 M04AA01 4 100 1 allopurinol
6 J01CA04 8 7 0 amoksicillin|amoxicillin
6 R03BA05 6 60 1 flutikason|fluticasone
6 R06AX13 6 30 0 loratadin|loratadine
6 A06AD65 6 20 0 makrogol|macrogol
6 D07AB02 6 20 0 hydrokortisonbutyrat|hydrocortisone butyrate
6 J01FA09 3 7 0 klaritromycin|clarithromycin
6 S01AA13 3 10 0 fusidinsyre|fusidic acid
7 L02BA01 8 100 1 tamoksifen|tamoxifen
7 L02BG04 8 100 1 letrozol|letrozole
7 L02AE02 6 90 1 leuprorelin
7 L02BB04 3 28 1 enzalutamid|enzalutamide
7 A04AA01 6 5 1 ondansetron
7 N02AA01 6 15 1 morfin|morphine
7 N02AB03 4 15 1 fentanyl
7 H02AB02 5 100 1 deksametason|dexamethasone
7 L01EF01 1 21 1 palbociklib|palbociclib
"""


def _weights(count: int) -> tuple[float, ...]:
    """Return the shares of a category's codes: the last one, «unspecified», most often, then ever more seldom."""
    falling = np.array([0.45**i for i in range(count)])
    return tuple(np.roll(falling / falling.sum(), -1)) if count > 1 else (1.0,)


def _diagnoses() -> tuple[Code, ...]:
    found = []
    for line in DIAGNOSIS_LINES.strip().splitlines():
        theme, category, fourth, weight, death, names = line.split(" ", 5)
        nb, en = names.split("|")
        codes = [category] if fourth == "-" else [f"{category}{f}" for f in fourth]
        found += [
            Code(code, nb, en, Theme(int(theme)), float(weight) * share, float(death) * share)
            for code, share in zip(codes, _weights(len(codes)), strict=True)
        ]
    return tuple(found)


@dataclass(frozen=True)
class Medicine(Code):
    """A medicine, with the defined daily doses in a pack, and whether it is reimbursed (blå resept)."""

    doses: float = 0.0
    reimbursed: bool = False


def _medicines() -> tuple[Medicine, ...]:
    found = []
    for line in MEDICINE_LINES.strip().splitlines():
        theme, code, weight, doses, reimbursed, names = line.split(" ", 5)
        nb, _bar, en = names.partition("|")
        found.append(
            Medicine(code, nb, en or nb, Theme(int(theme)), float(weight), 0.0, float(doses), reimbursed == "1")
        )
    return tuple(found)


DIAGNOSES = _diagnoses()
MEDICINES = _medicines()
SITES = tuple(CANCERS)
GRAIN = 1 << 16  # entries of a theme in a drawing table


def drawing_table(weights: Ints, themes: Ints) -> Ints:
    """Return a table (themes x 65,536) of places in a code list: a random entry of a theme's row draws by weight."""
    table = np.zeros((len(Theme), GRAIN), np.int16)
    for theme in Theme:
        own = np.flatnonzero((themes == theme) & (weights > 0))
        edges = np.cumsum(weights[own]) / weights[own].sum()
        table[theme] = own[np.minimum(np.searchsorted(edges, (np.arange(GRAIN) + 0.5) / GRAIN), len(own) - 1)]
    return table
